/* A program that does nothing but be linked with a library: -DUSE='function'. */

#ifdef USE
extern int USE();
int (*volatile use)() = USE;
#endif

int main(void) { return 0; }
