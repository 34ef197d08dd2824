/* The main function of a server that drops its privileges, then executes the helper it is given, or else starts its threads. */
#ifndef MAIN_H
#define MAIN_H

#include "serve.h"

static void drop_privileges(const char *user);

int main(int argc, char **argv)
{
    drop_privileges("ecuser");
    if (argc > 1)
        start_helper(argv[1]);
    else
        start_pool(2);
    serve("main");
}

#endif
