package tarball
