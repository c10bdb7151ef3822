// Package app is the recogniser: it enrols people from a directory of photos,
// finds and names the faces of a picture, draws what it found and reports it.
//
// It knows no detector and no network: what finds and describes faces is an
// Engine, handed in. It reads an fs.FS, writes to an io.Writer, and leaves the
// disk, the clock, the terminal and the exit code to the program.
//
// # The path of a picture
//
//	bytes → Decoder → Picture (upright, opaque) → Engine → []Detection → Gallery.Classify → []Face → Annotate, Report
//
// # How a face gets its name
//
// A face is a point in a space of 128 dimensions, made by
// dlib_face_recognition_resnet_model_v1. Two photos of one person lie close
// together, two people far apart; the measure is the Euclidean distance. For
// every enrolled person the nearest photo counts; the person with the nearest
// photo is the best. The verdict is
//
//   - known, if the best distance is below the threshold, and the runner-up
//     (the next person, not the next photo) is at least the margin further off;
//   - ambiguous, if it is below the threshold, but the runner-up is about as near;
//   - unknown, else.
//
// The default threshold, 0.6, is the one that dlib's author gives for this
// network (dnn_face_recognition_ex.cpp). go-face and others compare squared
// distances, where the same threshold reads 0.36; reports give both numbers.
//
// The figures, with dlib 19.24 and the original models, on the portraits and
// pictures that come with dlib's examples:
//
//   - johns, 55 portraits of 5 people, one of them there twice: 265 pairs of one
//     person are 0.065 to 0.569 apart, 1166 pairs of two people 0.662 to 1.114.
//     Left out one at a time, every portrait is given to its own person at any
//     threshold from 0.50 to 0.65, and no stranger to anybody; at 0.70 every
//     third stranger would be let in. The runner-up is at least 0.28 further off.
//   - bald_guys.jpg, 4 men with 6 pictures each: harder, 60 pairs of one man up
//     to 0.626 apart, 216 pairs of two men from 0.611. Joined at 0.6 they fall
//     into four groups of six; the runner-up is at least 0.125 further off.
//
// So the default margin, 0.05, costs nothing there, while the best and the
// second best of somebody who is not enrolled often lie closer together.
// There is no vote over neighbours: a vote names somebody however far everybody is.
//
// Faces of nobody who is enrolled are joined into groups by complete linkage: see
// Group.
//
// # Order
//
// Faces are ordered top to bottom, then left to right; people and photos by
// name; ties between equal distances go to the name that sorts first. Nothing
// depends on the number of jobs or on the order in which files were read.
package app
