#!/bin/sh
# The compiler that cgo is given: @CC@ with this project's baseline, headers and
# libraries, and without what a package asks for about the machine it is built
# on (go-face asks for -march=native, after every flag the environment can set).
# It stands in a folder whose name holds the hash of all of that, because Go's
# build cache looks at the path of the compiler but not inside a wrapper.
here=${0%/*}/..
for arg do
	shift
	case $arg in
	-march=* | -mcpu=* | -mtune=* | -mfpu=* | -mfloat-abi=* | -ffast-math | -Ofast) ;;
	*) set -- "$@" "$arg" ;;
	esac
done
exec @CC@ "$@" @FLAGS@ \
	-ffile-prefix-map="$here"=/toolchain \
	-I"$here/include" -L"$here/lib" -Wl,--build-id=none
