//go:build dlib

#include "libjpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#ifndef JCS_ALPHA_EXTENSIONS
#error "libjpeg-turbo is needed: this libjpeg cannot write RGBA"
#endif

struct manager {
    struct jpeg_error_mgr pub; /* first: libjpeg hands out a pointer to it */
    jmp_buf back;
    struct libjpeg_result *result;
};

static void fail(j_common_ptr cinfo)
{
    struct manager *m = (struct manager *)cinfo->err;
    char text[JMSG_LENGTH_MAX];
    m->pub.format_message(cinfo, text);
    snprintf(m->result->message, sizeof m->result->message, "%s", text);
    switch (m->pub.msg_code) {
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
        m->result->outcome = LIBJPEG_UNSUPPORTED;
        break;
    default:
        m->result->outcome = LIBJPEG_BROKEN;
    }
    longjmp(m->back, 1);
}

/* Warnings: those that cost pixels are told apart from those that do not. */
static void note(j_common_ptr cinfo, int level)
{
    struct manager *m = (struct manager *)cinfo->err;
    char text[JMSG_LENGTH_MAX];
    if (level >= 0)
        return;
    switch (m->pub.msg_code) {
    case JWRN_JPEG_EOF:
        m->result->no_end = 1;
        return;
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
        m->result->damaged = 1;
        break;
    }
    if (m->result->message[0] == 0) {
        m->pub.format_message(cinfo, text);
        snprintf(m->result->message, sizeof m->result->message, "%s", text);
    }
}

/* Four inks to red, green, blue; Adobe's files have them inverted. */
static void from_inks(unsigned char *p, unsigned n, int inverted)
{
    for (; n > 0; --n, p += 4) {
        unsigned k = inverted ? p[3] : 255u - p[3];
        for (int i = 0; i < 3; ++i)
            p[i] = (unsigned char)(((inverted ? p[i] : 255u - p[i]) * k + 127) / 255);
        p[3] = 255;
    }
}

void libjpeg_decode(const unsigned char *data, size_t len, int scale, unsigned char *pixels, unsigned width, unsigned height, struct libjpeg_result *result)
{
    struct jpeg_decompress_struct cinfo;
    struct manager m;
    memset(result, 0, sizeof *result);
    memset(&cinfo, 0, sizeof cinfo);
    cinfo.err = jpeg_std_error(&m.pub);
    m.pub.error_exit = fail;
    m.pub.emit_message = note;
    m.result = result;
    if (setjmp(m.back)) {
        jpeg_destroy_decompress(&cinfo);
        return;
    }
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, data, len);
    jpeg_read_header(&cinfo, TRUE);
    int inks = cinfo.jpeg_color_space == JCS_CMYK || cinfo.jpeg_color_space == JCS_YCCK;
    cinfo.out_color_space = inks ? JCS_CMYK : JCS_EXT_RGBA;
    cinfo.scale_num = 1;
    cinfo.scale_denom = (unsigned)scale;
    jpeg_start_decompress(&cinfo);
    if (cinfo.output_width != width || cinfo.output_height != height || cinfo.output_components != 4) {
        snprintf(result->message, sizeof result->message, "%u×%u pixels", cinfo.output_width, cinfo.output_height);
        result->outcome = LIBJPEG_SIZE;
        jpeg_destroy_decompress(&cinfo);
        return;
    }
    while (cinfo.output_scanline < height) {
        unsigned char *row = pixels + (size_t)4 * width * cinfo.output_scanline;
        jpeg_read_scanlines(&cinfo, &row, 1);
        if (inks)
            from_inks(row, width, cinfo.saw_Adobe_marker);
    }
    jpeg_finish_decompress(&cinfo);
    jpeg_destroy_decompress(&cinfo);
}
