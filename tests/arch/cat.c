/* cat(1), as small as it can be: prints each file named. */
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "r");
        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        for (int byte; (byte = getc(file)) != EOF;)
            putchar(byte);
        fclose(file);
    }
    return fflush(stdout) == EOF;
}
