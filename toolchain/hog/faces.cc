/* faces.dat, which is what unpack.cc writes, as it is, for faces.h. */
__asm__(".section .rodata\n"
        ".globl hog_faces, hog_faces_end\n"
        "hog_faces:\n"
        ".incbin \"faces.dat\"\n"
        "hog_faces_end:\n"
        ".previous\n");
