# Every thread, in every wait; no way back; arguments nobody should pass; the tools that watch a process.
OUTSIDE += arguments
build/outside/arguments.o: CFLAGS += -DEC_TEST_VERSION='"$(VERSION)"'

OUTSIDE += rounds
LIMIT_rounds := 600

OUTSIDE += noway
check-needs: build/outside/tell
build/outside/tell: tests/outside/tell.c
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -o $@ $<

# libpsx(3): its pthread_create has to be the one that is called, or it does not know the threads.
OUTSIDE += ratio
LIMIT_ratio := 300
build/outside/ratio: LDLIBS += -Wl,-Bstatic -lcap -lpsx -Wl,-Bdynamic -Wl,-wrap,pthread_create
