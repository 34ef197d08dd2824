// ec_security.h for C++17: a policy that releases itself, and failures as exceptions. Copy it into your program.
#ifndef EC_SECURITY_HPP
#define EC_SECURITY_HPP

#include <ec_security.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace ec_security {

// A call was refused, and nothing about the process has changed. what() is the library's full message.
class error : public std::runtime_error {
public:
    explicit error(int status, const char *message = ec_security_last_error()) : std::runtime_error(message), status_(status) {}

    // One of EC_SECURITY_E…
    int status() const noexcept { return status_; }

private:
    int status_;
};

inline void check(int status)
{
    if (status != EC_SECURITY_OK)
        throw error(status);
}

// Every option of the Security stanza. Each call returns the policy, so that calls can be chained.
class policy {
public:
    policy() : made_(ec_security_policy_new())
    {
        if (!made_)
            throw error(EC_SECURITY_ERESOURCE);
    }

    policy &set(const std::string &option, const std::string &value)
    {
        // A NUL inside would cut the value short, and a shorter one may mean something else.
        if (option.find('\0') != std::string::npos || value.find('\0') != std::string::npos)
            throw std::invalid_argument("ec_security: a NUL byte in " + option);
        checked(ec_security_policy_set(made_.get(), option.c_str(), value.c_str()));
        return *this;
    }

    policy &load(const std::string &path)
    {
        checked(ec_security_policy_load(made_.get(), path.c_str()));
        return *this;
    }

    // What apply() would find wrong; changes nothing.
    void check_only() { checked(ec_security_policy_check(made_.get())); }

    // Every thread of the process ends as asked, or this throws and nothing has changed.
    void apply() { checked(ec_security_policy_apply(made_.get())); }

    // What an option has come to, as set() takes it; also "uid", "gid" and "groups", as numbers.
    std::string get(const std::string &option) const
    {
        std::string text;
        int len = ec_security_policy_get(made_.get(), option.c_str(), nullptr, 0);
        if (len >= 0) {
            text.resize(static_cast<std::size_t>(len) + 1);
            len = ec_security_policy_get(made_.get(), option.c_str(), &text[0], text.size());
        }
        if (len < 0)
            checked(-len);
        text.resize(static_cast<std::size_t>(len));
        return text;
    }

private:
    // A policy has a message of its own.
    void checked(int status) const
    {
        if (status != EC_SECURITY_OK)
            throw error(status, ec_security_policy_error(made_.get()));
    }

    struct release {
        void operator()(ec_security_policy *made) const noexcept { ec_security_policy_free(made); }
    };
    std::unique_ptr<ec_security_policy, release> made_;
};

// Capabilities of this thread, raised for the time of a scope: they must be permitted.
class raised {
public:
    explicit raised(std::string caps_text) : caps_text_(std::move(caps_text)) { check(ec_security_raise(caps_text_.c_str())); }
    ~raised()
    {
        // What could be raised can be lowered; if not, going on with it would be what nobody asked for.
        if (ec_security_lower(caps_text_.c_str()) != EC_SECURITY_OK)
            std::terminate();
    }
    raised(const raised &) = delete;
    raised &operator=(const raised &) = delete;

private:
    std::string caps_text_;
};

} // namespace ec_security

#endif
