module example.org/ec_security/go

go 1.19
