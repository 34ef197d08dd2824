/* The plug-in of plugin.c, linked with the static library. */

#include <ec_security.h>
#include <stdio.h>

int plugin_drop(char *message, size_t len);
int plugin_fail(char *message, size_t len);

int plugin_drop(char *message, size_t len)
{
    int status = ec_security_apply(NULL, NULL, NULL);
    snprintf(message, len, "%s", status ? ec_security_last_error() : "");
    return status;
}

int plugin_fail(char *message, size_t len)
{
    int status = ec_security_raise("cap_no_such+e");
    snprintf(message, len, "%s", ec_security_last_error());
    return status;
}
