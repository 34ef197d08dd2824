// As drop.cpp, through dlopen(3): for a server that must also start where the library is not installed.
//
//     c++ -std=c++17 -pthread dlopen.cpp $(pkg-config --cflags ec_security) -ldl
#include <ec_security.h>

#include <dlfcn.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

// The calls of the library; they stay for as long as the program runs, since the library cannot be unloaded.
class library {
public:
    // The name with the 0: what is behind it will always take these calls. Without it, it is for those who compile.
    library() : handle_(dlopen("libec_security.so.0", RTLD_NOW | RTLD_LOCAL))
    {
        if (!handle_)
            throw std::runtime_error(dlerror());
        find(policy_new, "ec_security_policy_new");
        find(policy_set, "ec_security_policy_set");
        find(policy_apply, "ec_security_policy_apply");
        find(policy_free, "ec_security_policy_free");
        find(last_error, "ec_security_last_error");
        find(strerror, "ec_security_strerror");
    }

    // A failure is what the library says of it, and nothing has changed.
    void check(int status) const
    {
        if (status != EC_SECURITY_OK)
            throw std::runtime_error(std::string(strerror(status)) + ": " + last_error());
    }

    // The types are the header's, so that the compiler checks the calls.
    decltype(&ec_security_policy_new) policy_new;
    decltype(&ec_security_policy_set) policy_set;
    decltype(&ec_security_policy_apply) policy_apply;
    decltype(&ec_security_policy_free) policy_free;
    decltype(&ec_security_last_error) last_error;
    decltype(&ec_security_strerror) strerror;

private:
    template <typename Function> void find(Function &function, const char *name)
    {
        function = reinterpret_cast<Function>(dlsym(handle_, name));
        if (!function)
            throw std::runtime_error(dlerror());
    }

    void *handle_;
};

int run(const char *const values[])
{
    static const char *const OPTIONS[] = {"user", "group", "capabilities"};
    try {
        library lib;
        std::unique_ptr<ec_security_policy, decltype(lib.policy_free)> policy(lib.policy_new(), lib.policy_free);
        if (!policy)
            throw std::runtime_error(lib.last_error());
        for (int i = 0; i < 3; i++)
            if (std::string(values[i]) != "-")
                lib.check(lib.policy_set(policy.get(), OPTIONS[i], values[i]));
        lib.check(lib.policy_apply(policy.get()));
        std::cout << "dropped" << std::endl;
        return 0;
    } catch (const std::exception &error) {
        std::cout << "refused: " << error.what() << std::endl;
        return 1;
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: " << argv[0] << " USER GROUP CAPS, - for NULL; Enter drops, once more Enter ends\n";
        return 2;
    }
    for (int i = 0; i < 3; i++)
        std::thread([] {
            for (;;)
                std::this_thread::sleep_for(std::chrono::hours(1));
        }).detach();
    std::cout << "ready" << std::endl;
    std::cin.get();
    int status = run(argv + 1);
    std::cin.get();
    return status;
}
