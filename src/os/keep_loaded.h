// For threads that may outlive whoever started them: their code must not be unloaded.
#ifndef LARDER_OS_KEEP_LOADED_H_
#define LARDER_OS_KEEP_LOADED_H_

namespace larder::os {

// The library that `code` is in stays until the process ends, though it is closed with dlclose.
void keep_loaded(const void* code) noexcept;

}  // namespace larder::os

#endif  // LARDER_OS_KEEP_LOADED_H_
