// Package ec_security drops the privileges of every thread of this process, through libec_security.
//
//	if err := ec_security.Apply("ecuser", "ecuser", "cap_net_bind_service+ep"); err != nil {
//		log.Fatal(err)
//	}
//
// A call that is refused returns an *Error, whose text is the full message, and nothing about the process has changed. A Policy has
// every option, and reads them from the Security stanza of a configuration file:
//
//	policy, err := ec_security.NewPolicy()
//	if err == nil {
//		err = policy.Load("/etc/server.conf")
//	}
//	if err == nil {
//		err = policy.Apply()
//	}
//	if errors.Is(err, ec_security.ENOSTANZA) {
//		// The file has no Security stanza; nothing has changed.
//	}
//
// Needs cgo and the library's development files, which pkg-config must find. No server has the module: a program says where its
// directory is.
//
//	go mod edit -replace example.org/ec_security/go=/path/to/cbindings-tests/go
//	go mod tidy
//
// A goroutine may change its thread between two calls, and the library's message belongs to a thread: each call here copies the
// message within the same call of C, so any goroutine may call, without runtime.LockOSThread. All threads of the Go runtime
// are changed, those that are locked to a goroutine too, and those started later inherit it.
package ec_security

/*
#cgo pkg-config: ec_security
#include <ec_security.h>
#include <stdlib.h>
#include <string.h>

// The message is of this thread's last failure: copied before Go may go on in another.
static int told(int status, char **message)
{
    *message = status == 0 ? NULL : strdup(ec_security_last_error());
    return status;
}

// A policy keeps the message of its own last failure.
static int told_by(const ec_security_policy *policy, int status, char **message)
{
    *message = status == 0 ? NULL : strdup(ec_security_policy_error(policy));
    return status;
}

static int go_apply(const char *user, const char *group, const char *caps, char **message)
{
    return told(ec_security_apply(user, group, caps), message);
}

static ec_security_policy *go_policy_new(char **message)
{
    ec_security_policy *policy = ec_security_policy_new();
    told(policy == NULL ? EC_SECURITY_ERESOURCE : 0, message);
    return policy;
}

static int go_policy_set(ec_security_policy *policy, const char *option, const char *value, char **message)
{
    return told_by(policy, ec_security_policy_set(policy, option, value), message);
}

static int go_policy_load(ec_security_policy *policy, const char *path, char **message)
{
    return told_by(policy, ec_security_policy_load(policy, path), message);
}

static int go_policy_parse(ec_security_policy *policy, const char *text, char **message)
{
    return told_by(policy, ec_security_policy_parse(policy, text), message);
}

static int go_policy_check(ec_security_policy *policy, char **message)
{
    return told_by(policy, ec_security_policy_check(policy), message);
}

static int go_policy_apply(ec_security_policy *policy, char **message)
{
    return told_by(policy, ec_security_policy_apply(policy), message);
}

static int go_policy_get(ec_security_policy *policy, const char *option, char *buf, size_t len, char **message)
{
    int needed = ec_security_policy_get(policy, option, buf, len);
    told_by(policy, needed < 0 ? needed : 0, message);
    return needed;
}

static int go_caps_from_text(const char *text, ec_security_caps *out, char **message)
{
    return told(ec_security_caps_from_text(text, out), message);
}

static int go_caps_to_text(const ec_security_caps *caps, char *buf, size_t len, char **message)
{
    int needed = ec_security_caps_to_text(caps, buf, len);
    told(needed < 0 ? needed : 0, message);
    return needed;
}

static int go_status(int pid, char *buf, size_t len, char **message)
{
    int needed = ec_security_status(pid, buf, len);
    told(needed < 0 ? needed : 0, message);
    return needed;
}

static int go_raise(const char *caps, char **message)
{
    return told(ec_security_raise(caps), message);
}

static int go_lower(const char *caps, char **message)
{
    return told(ec_security_lower(caps), message);
}
*/
import "C"

import (
	"errors"
	"runtime"
	"strings"
	"unsafe"
)

// Status is the number of an error, an EC_SECURITY_E… of ec_security.h. Numbers are never given away again; a newer library may
// have more.
type Status int

// The statuses that this module knows.
const (
	EARGUMENT   Status = C.EC_SECURITY_EARGUMENT
	ESYNTAX     Status = C.EC_SECURITY_ESYNTAX
	EOPTION     Status = C.EC_SECURITY_EOPTION
	EUSER       Status = C.EC_SECURITY_EUSER
	EGROUP      Status = C.EC_SECURITY_EGROUP
	ELOOKUP     Status = C.EC_SECURITY_ELOOKUP
	ECAPABILITY Status = C.EC_SECURITY_ECAPABILITY
	EREFUSED    Status = C.EC_SECURITY_EREFUSED
	ETHREAD     Status = C.EC_SECURITY_ETHREAD
	EPROC       Status = C.EC_SECURITY_EPROC
	EBUSY       Status = C.EC_SECURITY_EBUSY
	ERESOURCE   Status = C.EC_SECURITY_ERESOURCE
	EFILE       Status = C.EC_SECURITY_EFILE
	ENOSTANZA   Status = C.EC_SECURITY_ENOSTANZA
	ECHROOT     Status = C.EC_SECURITY_ECHROOT
	ENOPROCESS  Status = C.EC_SECURITY_ENOPROCESS
	EINTERNAL   Status = C.EC_SECURITY_EINTERNAL
)

// String is the fixed text of a status.
func (status Status) String() string {
	return C.GoString(C.ec_security_strerror(C.int(status)))
}

// Error says why a call was refused; nothing has changed. errors.Is(err, ENOSTANZA) asks for a status.
type Error struct {
	Status  Status
	Message string
}

func (err *Error) Error() string { return err.Message }

// Error makes a Status something that errors.Is can be asked for.
func (status Status) Error() string { return status.String() }

// Is tells whether target is the status of the error.
func (err *Error) Is(target error) bool {
	status, ok := target.(Status)
	return ok && status == err.Status
}

// ErrNUL is returned for a text with a NUL byte inside, which C would cut short there.
var ErrNUL = errors.New("ec_security: a text with a NUL byte inside")

// texts are the arguments of one call as strings of C; what it returns releases them.
func texts(of ...*string) (made []*C.char, release func(), err error) {
	release = func() {
		for _, text := range made {
			C.free(unsafe.Pointer(text))
		}
	}
	for _, text := range of {
		if text == nil {
			made = append(made, nil)
			continue
		}
		if strings.IndexByte(*text, 0) >= 0 {
			release()
			return nil, nil, ErrNUL
		}
		made = append(made, C.CString(*text))
	}
	return made, release, nil
}

// failure is the error of a status and the message that came with it, which it releases.
func failure(status C.int, message *C.char) error {
	if status == 0 {
		return nil
	}
	if status < 0 {
		status = -status
	}
	err := &Error{Status: Status(status), Message: Status(status).String()}
	if message != nil {
		err.Message = C.GoString(message)
		C.free(unsafe.Pointer(message))
	}
	return err
}

func called(call func(arguments []*C.char, message **C.char) C.int, of ...*string) error {
	arguments, release, err := texts(of...)
	if err != nil {
		return err
	}
	defer release()
	var message *C.char
	status := call(arguments, &message)
	return failure(status, message)
}

// Text is a text to be given where nil means "not given".
func Text(text string) *string { return &text }

// Apply becomes a user and group, by name or decimal id, with just these capabilities left, in every thread of the process. An
// empty user or group is refused, lest a variable that was not set mean "stay root"; to leave one out, see ApplyOptional.
func Apply(user, group, capabilities string) error {
	return ApplyOptional(&user, &group, &capabilities)
}

// ApplyOptional is Apply where nil leaves an argument out: without a user the user ids and groups stay, without a group it is
// the user's own, without capabilities none is left.
func ApplyOptional(user, group, capabilities *string) error {
	return called(func(arguments []*C.char, message **C.char) C.int {
		return C.go_apply(arguments[0], arguments[1], arguments[2], message)
	}, user, group, capabilities)
}

// Policy holds every option of the Security stanza. One goroutine at a time may use it.
type Policy struct {
	policy *C.ec_security_policy
}

// NewPolicy makes a policy with every option at its default. It is released by Close, or when nothing refers to it any more.
func NewPolicy() (*Policy, error) {
	var message *C.char
	made := C.go_policy_new(&message)
	if made == nil {
		return nil, failure(C.EC_SECURITY_ERESOURCE, message)
	}
	policy := &Policy{made}
	runtime.SetFinalizer(policy, (*Policy).Close)
	return policy, nil
}

// Close releases the policy; what was applied stays applied. A second Close does nothing.
func (policy *Policy) Close() {
	C.ec_security_policy_free(policy.policy)
	policy.policy = nil
}

func (policy *Policy) call(call func(arguments []*C.char, message **C.char) C.int, of ...*string) error {
	// Else the finalizer might run while C is still at it.
	defer runtime.KeepAlive(policy)
	return called(call, of...)
}

// Set sets one option.
func (policy *Policy) Set(option, value string) error {
	return policy.call(func(arguments []*C.char, message **C.char) C.int {
		return C.go_policy_set(policy.policy, arguments[0], arguments[1], message)
	}, &option, &value)
}

// Get is what an option has come to, as Set takes it; also "uid", "gid" and "groups", as numbers.
func (policy *Policy) Get(option string) (string, error) {
	defer runtime.KeepAlive(policy)
	arguments, release, err := texts(&option)
	if err != nil {
		return "", err
	}
	defer release()
	return filled(func(buffer *C.char, length C.size_t, message **C.char) C.int {
		return C.go_policy_get(policy.policy, arguments[0], buffer, length, message)
	})
}

// Reset puts one option back to its default.
func (policy *Policy) Reset(option string) error {
	return policy.call(func(arguments []*C.char, message **C.char) C.int {
		return C.go_policy_set(policy.policy, arguments[0], nil, message)
	}, &option)
}

// Load sets the options of the Security stanza of a configuration file.
func (policy *Policy) Load(path string) error {
	return policy.call(func(arguments []*C.char, message **C.char) C.int {
		return C.go_policy_load(policy.policy, arguments[0], message)
	}, &path)
}

// Parse is Load, of a text.
func (policy *Policy) Parse(text string) error {
	return policy.call(func(arguments []*C.char, message **C.char) C.int {
		return C.go_policy_parse(policy.policy, arguments[0], message)
	}, &text)
}

// Check returns what Apply would return, and changes nothing.
func (policy *Policy) Check() error {
	return policy.call(func(_ []*C.char, message **C.char) C.int { return C.go_policy_check(policy.policy, message) })
}

// Apply makes every thread of the process what the policy says, or returns an error, and nothing has changed.
func (policy *Policy) Apply() error {
	return policy.call(func(_ []*C.char, message **C.char) C.int { return C.go_policy_apply(policy.policy, message) })
}

// Caps are three sets of capabilities; bit n of each is capability number n.
type Caps struct {
	Effective, Permitted, Inheritable uint64
}

// CapsFromText reads a text in the format of cap_from_text(3).
func CapsFromText(text string) (Caps, error) {
	var out C.ec_security_caps
	err := called(func(arguments []*C.char, message **C.char) C.int {
		return C.go_caps_from_text(arguments[0], &out, message)
	}, &text)
	if err != nil {
		return Caps{}, err
	}
	return Caps{uint64(out.effective), uint64(out.permitted), uint64(out.inheritable)}, nil
}

// filled is the text that a function like snprintf(3) writes: it is called again with a larger buffer until all of it fits.
func filled(fill func(buffer *C.char, length C.size_t, message **C.char) C.int) (string, error) {
	for length := 256; ; {
		buffer := make([]byte, length)
		var message *C.char
		needed := fill((*C.char)(unsafe.Pointer(&buffer[0])), C.size_t(length), &message)
		if needed < 0 {
			return "", failure(needed, message)
		}
		if int(needed) < length {
			return string(buffer[:needed]), nil
		}
		length = int(needed) + 1
	}
}

// Text is what cap_to_text(3) would write of the sets.
func (caps Caps) Text() (string, error) {
	given := C.ec_security_caps{
		effective: C.uint64_t(caps.Effective), permitted: C.uint64_t(caps.Permitted), inheritable: C.uint64_t(caps.Inheritable),
	}
	return filled(func(buffer *C.char, length C.size_t, message **C.char) C.int {
		return C.go_caps_to_text(&given, buffer, length, message)
	})
}

// ProcessStatus is what each thread of a process holds, as text; 0 is this process.
func ProcessStatus(pid int) (string, error) {
	return filled(func(buffer *C.char, length C.size_t, message **C.char) C.int {
		return C.go_status(C.int(pid), buffer, length, message)
	})
}

// Raised runs inside with these permitted capabilities effective. They are those of one thread, which the goroutine keeps
// meanwhile; other goroutines that inside starts have none of it.
func Raised(capabilities string, inside func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := called(func(arguments []*C.char, message **C.char) C.int {
		return C.go_raise(arguments[0], message)
	}, &capabilities); err != nil {
		return err
	}
	defer func() {
		lowered := called(func(arguments []*C.char, message **C.char) C.int {
			return C.go_lower(arguments[0], message)
		}, &capabilities)
		if lowered != nil {
			// The thread must not go back to others with more than they have: the runtime ends one that stays locked.
			runtime.LockOSThread()
			if err == nil {
				err = lowered
			}
		}
	}()
	return inside()
}

// Version is that of the library that is loaded.
func Version() string { return C.GoString(C.ec_security_version()) }
