// A policy from C++, in a program with threads: drop USER GROUP CAPS, where "-" stands for an option not set.
//
//     c++ -std=c++17 -pthread drop.cpp $(pkg-config --cflags --libs ec_security)
#include "ec_security.hpp"

#include <chrono>
#include <iostream>
#include <string>
#include <thread>

namespace {

int run(const std::string &user, const std::string &group, const std::string &caps)
{
    try {
        ec_security::policy policy;
        if (user != "-")
            policy.set("user", user);
        if (group != "-")
            policy.set("group", group);
        if (caps != "-")
            policy.set("capabilities", caps);
        policy.check_only();
        policy.apply();
        std::cout << "dropped" << std::endl;
        return 0;
    } catch (const ec_security::error &error) {
        std::cout << "refused: " << ec_security_strerror(error.status()) << ": " << error.what() << std::endl;
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
    int status = run(argv[1], argv[2], argv[3]);
    std::cin.get();
    return status;
}
