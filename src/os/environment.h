// The process's environment, read in one place.
#ifndef LARDER_OS_ENVIRONMENT_H_
#define LARDER_OS_ENVIRONMENT_H_

#include <optional>
#include <string>

namespace larder {

// nullopt when the variable is not set, and for every variable of an elevated process (set-uid,
// set-gid, file capabilities): whoever started it must not choose where it writes.
std::optional<std::string> environment_variable(const char* name);

}  // namespace larder

#endif  // LARDER_OS_ENVIRONMENT_H_
