/* The main function of ondemand-*.c: a raw socket opens where the capability is raised for it, and not before. */
#ifndef ONDEMAND_H
#define ONDEMAND_H

#include "serve.h"

#include <netinet/in.h>
#include <sys/socket.h>

static void drop_privileges(const char *user);
static int open_raw_socket(void);

int main(void)
{
    drop_privileges("ecuser");
    if (socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP) >= 0)
        die("a raw socket without the capability raised");
    if (open_raw_socket() < 0)
        die_errno("socket");
    start_pool(2);
    serve("main");
}

#endif
