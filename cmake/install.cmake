# What `cmake --install` puts where: libraries, headers, the CMake package and the pkg-config file.
