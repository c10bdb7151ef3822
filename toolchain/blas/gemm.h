/*
 * One panel of C += A*B, compiled once per vector width.
 *
 * The includer defines
 *
 *   GEMM_NAME   name of the function
 *   GEMM_BYTES  width of a vector register in bytes
 *   GEMM_MR     rows of C that are kept in registers
 *   GEMM_NV     vectors per row (so NR = GEMM_NV * GEMM_BYTES/4 columns)
 *   GEMM_ATTR   attributes, such as a target
 *
 * Whatever these are, each element of C is computed by the same operations in
 * the same order: start from what C holds, then for k = 0, 1, 2 … multiply
 * (rounded), add (rounded). The vector runs over columns, never over k, so the
 * width of the machine cannot be seen in the result.
 */
#define GEMM_CAT_(a, b) a##b
#define GEMM_CAT(a, b) GEMM_CAT_(a, b)
#define GEMM_VEC GEMM_CAT(GEMM_NAME, _vec)
#define GEMM_LANES (GEMM_BYTES / 4)
#define GEMM_NR (GEMM_NV * GEMM_LANES)

typedef float GEMM_VEC __attribute__((vector_size(GEMM_BYTES), aligned(4), may_alias));

#ifndef GEMM_MULADD
#define GEMM_MULADD(c, a, b) ((c) + (a) * (b))
#endif

/*
 * a     first element of A's rows; element (i,k) is a[i*ras + k*cas]
 * b     packed panel of B: kc rows of NR consecutive floats
 * c     first element of C's panel, row stride ldc
 * rows  1..MR rows of C to write
 */
GEMM_ATTR static void GEMM_NAME(size_t kc, const float *a, size_t ras, size_t cas,
                                const float *b, float *c, size_t ldc, size_t rows)
{
    const float *row[GEMM_MR];
    GEMM_VEC acc[GEMM_MR][GEMM_NV];

    /* Rows past the end repeat the last one: computed, never written. */
    for (size_t i = 0; i < GEMM_MR; i++) {
        size_t r = i < rows ? i : rows - 1;
        row[i] = a + r * ras;
        for (size_t v = 0; v < GEMM_NV; v++)
            acc[i][v] = *(const GEMM_VEC *)(c + r * ldc + v * GEMM_LANES);
    }
    for (size_t k = 0; k < kc; k++) {
        GEMM_VEC bv[GEMM_NV];
#pragma GCC unroll 8
        for (size_t v = 0; v < GEMM_NV; v++)
            bv[v] = *(const GEMM_VEC *)(b + k * GEMM_NR + v * GEMM_LANES);
#pragma GCC unroll 16
        for (size_t i = 0; i < GEMM_MR; i++) {
            GEMM_VEC av = row[i][k * cas] - (GEMM_VEC){0};
#pragma GCC unroll 8
            for (size_t v = 0; v < GEMM_NV; v++)
                acc[i][v] = GEMM_MULADD(acc[i][v], av, bv[v]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < GEMM_NV; v++)
            *(GEMM_VEC *)(c + i * ldc + v * GEMM_LANES) = acc[i][v];
}

#undef GEMM_NAME
#undef GEMM_BYTES
#undef GEMM_MR
#undef GEMM_NV
#undef GEMM_ATTR
#undef GEMM_VEC
#undef GEMM_LANES
#undef GEMM_NR
#undef GEMM_CAT
#undef GEMM_CAT_
