Gem::Specification.new do |spec|
  spec.name = "ec_security"
  spec.version = "0.1.0"
  spec.summary = "Drops the privileges of every thread of this process, through libec_security"
  spec.licenses = ["MIT", "Apache-2.0"]
  spec.authors = ["The libec_security authors"]
  spec.files = ["ec_security.rb"]
  spec.require_paths = ["."]
  spec.required_ruby_version = ">= 2.7"
end
