// A Go server whose goroutines never rest; tests/runtimes says what it answers to.
package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	ec_security "example.org/ec_security/go"
)

const workers = 8

var (
	done      [workers]atomic.Uint64
	jobs      [workers]chan func()
	listeners []net.Listener
	input     *bufio.Scanner
	garbage   [workers][]byte
)

// A job may come in between.
func worked(number int) {
	done[number].Add(1)
	select {
	case job := <-jobs[number]:
		job()
	default:
	}
}

// Half of them keep their threads. They compute, wait in system calls that the runtime knows nothing of, or start threads that end.
func work(number int) {
	if number%2 == 0 {
		runtime.LockOSThread()
	}
	block := make([]byte, 1<<14)
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		panic(err)
	}
	for {
		switch number {
		case 0, 1:
			sha256.Sum256(block)
		case 2, 3:
			syscall.Write(pipe[1], block[:4096])
			syscall.Read(pipe[0], block[:4096])
		case 4:
			// A goroutine that ends with its thread locked takes the thread with it.
			ended := make(chan bool)
			go func() {
				runtime.LockOSThread()
				ended <- true
			}()
			<-ended
		default:
			garbage[number] = make([]byte, 1<<20)
		}
		worked(number)
	}
}

// The runtime stops its threads by signals for this, and looks at each one's stack.
func collect(number int) {
	for {
		runtime.GC()
		worked(number)
	}
}

// Signals that the program has asked for, and one that the runtime handles by itself.
func signals(number int) {
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGUSR1, syscall.SIGURG, syscall.SIGCHLD)
	for {
		syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
		<-came
		worked(number)
	}
}

func inWorker(number int, job func() string) string {
	answer := make(chan string)
	jobs[number] <- func() { answer <- job() }
	return <-answer
}

func bind(port string) string {
	listener, err := net.Listen("tcp4", "127.0.0.1:"+port)
	if err != nil {
		return "failed\t" + err.Error()
	}
	listeners = append(listeners, listener)
	return "ok"
}

// Goroutines that are not locked to a thread: each must still see its own message.
func race() string {
	var wrong atomic.Int64
	var all sync.WaitGroup
	for number := 0; number < 4; number++ {
		name := fmt.Sprintf("no-such-%d-", number)
		all.Add(1)
		go func() {
			defer all.Done()
			for n := 0; n < 100; n++ {
				err := ec_security.Apply(name, "ecuser", "")
				if err == nil || !strings.Contains(err.Error(), name) {
					wrong.Add(1)
				}
				runtime.Gosched()
			}
		}()
	}
	all.Wait()
	return fmt.Sprintf("race\t400\t%d", wrong.Load())
}

func optional(word string) *string {
	if word == "-" {
		return nil
	}
	return &word
}

var names = []struct {
	name   string
	status ec_security.Status
}{
	{"EARGUMENT", ec_security.EARGUMENT}, {"ESYNTAX", ec_security.ESYNTAX}, {"EOPTION", ec_security.EOPTION},
	{"EUSER", ec_security.EUSER}, {"EGROUP", ec_security.EGROUP}, {"ELOOKUP", ec_security.ELOOKUP},
	{"ECAPABILITY", ec_security.ECAPABILITY}, {"EREFUSED", ec_security.EREFUSED}, {"ETHREAD", ec_security.ETHREAD},
	{"EPROC", ec_security.EPROC}, {"EBUSY", ec_security.EBUSY}, {"ERESOURCE", ec_security.ERESOURCE},
	{"EFILE", ec_security.EFILE}, {"ENOSTANZA", ec_security.ENOSTANZA}, {"ECHROOT", ec_security.ECHROOT},
	{"ENOPROCESS", ec_security.ENOPROCESS}, {"EINTERNAL", ec_security.EINTERNAL},
}

func policy(words []string) error {
	policy, err := ec_security.NewPolicy()
	if err != nil {
		return err
	}
	for _, word := range words[1:] {
		option, value, _ := strings.Cut(word, "=")
		if err := policy.Set(option, value); err != nil {
			return err
		}
	}
	if words[0] == "check" {
		return policy.Check()
	}
	// No Close: the collector has to release this one.
	return policy.Apply()
}

func read(how func(*ec_security.Policy, string) error, what string) error {
	policy, err := ec_security.NewPolicy()
	if err != nil {
		return err
	}
	defer policy.Close()
	if err := how(policy, what); err != nil {
		return err
	}
	return policy.Apply()
}

func answer(words []string) (string, error) {
	switch words[0] {
	case "work":
		said := "work"
		for number := range done {
			said += "\t" + strconv.FormatUint(done[number].Load(), 10)
		}
		return said, nil
	case "apply":
		return "ok", ec_security.ApplyOptional(optional(words[1]), optional(words[2]), optional(words[3]))
	case "policy":
		return "ok", policy(words[1:])
	case "get":
		policy, err := ec_security.NewPolicy()
		if err == nil {
			defer policy.Close()
			err = policy.Set("user", words[1])
		}
		if err != nil {
			return "", err
		}
		return policy.Get(words[2])
	case "parse":
		return "ok", read((*ec_security.Policy).Parse, words[1])
	case "load":
		return "ok", read((*ec_security.Policy).Load, words[1])
	case "raised":
		return "ok", ec_security.Raised(words[1], func() error {
			fmt.Println("inside")
			input.Scan()
			return nil
		})
	case "bind":
		if words[1] == "main" {
			return bind(words[2]), nil
		}
		return inWorker(0, func() string { return bind(words[2]) }), nil
	case "root":
		if err := syscall.Setuid(0); err != nil {
			return "failed\t" + err.Error(), nil
		}
		return "ok", nil
	case "text":
		caps, err := ec_security.CapsFromText(words[1])
		if err != nil {
			return "", err
		}
		text, err := caps.Text()
		return fmt.Sprintf("text\t%d\t%d\t%d\t%s", caps.Effective, caps.Permitted, caps.Inheritable, text), err
	case "status":
		text, err := ec_security.ProcessStatus(0)
		return "status\t" + strings.ReplaceAll(text, "\n", " | "), err
	case "version":
		return "version\t" + ec_security.Version(), nil
	case "names":
		said := "names"
		for _, known := range names {
			said += fmt.Sprintf("\t%s=%d", known.name, int(known.status))
		}
		return said, nil
	case "nul":
		if errors.Is(ec_security.Apply("root\x00nobody", "root", ""), ec_security.ErrNUL) {
			return "refused", nil
		}
		return "taken", nil
	case "race":
		return race(), nil
	}
	return "what?", nil
}

func nameOf(status ec_security.Status) string {
	for _, known := range names {
		if known.status == status {
			return known.name
		}
	}
	return strconv.Itoa(int(status))
}

func main() {
	for number := range jobs {
		jobs[number] = make(chan func(), 1)
		switch number {
		case 6:
			go collect(number)
		case 7:
			go signals(number)
		default:
			go work(number)
		}
	}
	input = bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	for input.Scan() {
		said, err := answer(strings.Split(input.Text(), "\t"))
		var refused *ec_security.Error
		if errors.As(err, &refused) {
			said = fmt.Sprintf("error\t%s\t%s\t%s", nameOf(refused.Status), refused.Status, refused.Message)
		} else if err != nil {
			said = "failed\t" + err.Error()
		}
		fmt.Println(said)
	}
}
