/* libjpeg.c for Go. */
#ifndef FACEREC_LIBJPEG_H
#define FACEREC_LIBJPEG_H

#include <stddef.h>

enum { LIBJPEG_DONE, LIBJPEG_BROKEN, LIBJPEG_UNSUPPORTED, LIBJPEG_SIZE };

struct libjpeg_result {
    int outcome;       /* one of the above */
    int no_end;        /* the file ends before its end marker */
    int damaged;       /* some of the pixels could not be read */
    char message[256]; /* why it failed, or the first warning of another kind */
};

/* Decodes a JPEG at 1/scale of its sides into width × height pixels of four
 * bytes, red, green, blue and 255. A file of another size is LIBJPEG_SIZE. */
void libjpeg_decode(const unsigned char *data, size_t len, int scale, unsigned char *pixels, unsigned width, unsigned height, struct libjpeg_result *result);

#endif
