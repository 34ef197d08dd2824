// The one call in a Go program with threads: drop USER GROUP CAPS, where "-" leaves an argument out.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"

	ec_security "example.org/ec_security/go"
)

func optional(word string) *string {
	if word == "-" {
		return nil
	}
	return &word
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: drop USER GROUP CAPS, - leaves one out; Enter drops, once more Enter ends")
		os.Exit(2)
	}
	for n := 0; n < 3; n++ {
		started := make(chan bool)
		go func() {
			// A thread of its own, which stays.
			runtime.LockOSThread()
			started <- true
			select {}
		}()
		<-started
	}
	input := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	input.Scan()
	err := ec_security.ApplyOptional(optional(os.Args[1]), optional(os.Args[2]), optional(os.Args[3]))
	var refused *ec_security.Error
	if errors.As(err, &refused) {
		fmt.Printf("refused: %s: %s\n", refused.Status, refused.Message)
	} else if err != nil {
		fmt.Printf("refused: %v\n", err)
	} else {
		fmt.Println("dropped")
	}
	input.Scan()
	if err != nil {
		os.Exit(1)
	}
}
