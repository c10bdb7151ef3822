/*
 * What dlib's tensor_tools refers to for inverting matrices, which training
 * needs and recognition does not: the linker wants the names, nothing calls
 * them. Should something do so after all, the program says which and stops.
 */
#include <stdio.h>
#include <stdlib.h>

#define ABSENT(name)                                                              \
    void name(void);                                                              \
    void name(void)                                                               \
    {                                                                             \
        fputs("facerec: " #name " was called, which is not linked in\n", stderr); \
        abort();                                                                  \
    }

ABSENT(sgetrf_)
ABSENT(cblas_strsm)
