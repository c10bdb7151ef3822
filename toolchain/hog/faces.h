/*
 * The weights of dlib's frontal face detector as its header has them, but
 * unpacked. dlib carries them in a packing that takes a quarter of a
 * second of CPU to undo, in every program that opens a detector, each time. The
 * toolchain includes this in dlib/image_processing/frontal_face_detector.h and
 * puts FRONTAL_FACES where that calls the function that unpacks them.
 * FACEREC_PLAIN_DLIB leaves dlib as it is.
 */
#ifndef FACEREC_HOG_FACES_H
#define FACEREC_HOG_FACES_H

#ifdef FACEREC_PLAIN_DLIB
#define FRONTAL_FACES get_serialized_frontal_faces()
#else
#include <string>
extern "C" const char hog_faces[], hog_faces_end[];
#define FRONTAL_FACES std::string(hog_faces, hog_faces_end)
#endif

#endif
