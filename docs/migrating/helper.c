/* The program that helpers-*.c and children-*.c execute. */
#include "serve.h"

int main(void)
{
    serve("helper");
}
