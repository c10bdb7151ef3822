//go:build dlib

// All C and C++ in this program is compiled for x86-64-v2, Go's own runtime
// support too: on an older processor the program would be stopped by an illegal
// instruction before Go runs at all. So this looks first, as the first of the
// constructors, compiled for every x86-64, and says what is the matter.
//
// Bits of CPUID leaf 1, ECX: Intel's manual, volume 2A, table 3-10. What
// belongs to x86-64-v2: the x86-64 psABI, "microarchitecture levels".
#pragma GCC target("arch=x86-64,no-sse3,no-ssse3,no-sse4.1,no-sse4.2,no-popcnt")

#include <cpuid.h>
#include <string.h>
#include <unistd.h>

static const struct {
	unsigned bit;
	const char *name;
} needed[] = {
	{13, "cx16"}, {23, "popcnt"}, {0, "sse3"}, {19, "sse4.1"}, {20, "sse4.2"}, {9, "ssse3"},
};

static char text[200];

static void say(const char *s) { strncat(text, s, sizeof text - strlen(text) - 1); }

// 101 is the first priority that is not the compiler's own.
__attribute__((constructor(101))) static void look_at_processor(void) {
	unsigned a, b, c = 0, d;
	if (!__get_cpuid(1, &a, &b, &c, &d))
		c = 0;
	for (unsigned i = 0; i < sizeof needed / sizeof *needed; i++) {
		if (c >> needed[i].bit & 1)
			continue;
		say(text[0] ? ", " : "facerec: this processor lacks ");
		say(needed[i].name);
	}
	if (!text[0])
		return;
	say(", and this program needs x86-64-v2; use a newer machine, or build facerec for this one\n");
	if (write(2, text, strlen(text)) < 0) {
		// Nobody listens; the exit code says it too.
	}
	_exit(1);
}
