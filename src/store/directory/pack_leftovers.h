// What a creation of a pack store leaves in its root when it is cut short and the marker is lost.
#ifndef LARDER_STORE_DIRECTORY_PACK_LEFTOVERS_H_
#define LARDER_STORE_DIRECTORY_PACK_LEFTOVERS_H_

#include <string_view>

#include "larder/file_system.h"

namespace larder::store_directory {

// Whether a creation makes things of that name.
bool is_name_of_pack_creation(std::string_view name) noexcept;

// Whether what bears such a name in the root is one of them: a `state` or an index that is empty or
// begins as ours do, or `segments` without anything in it. Nothing that could hold an entry, and no
// file of somebody else.
Result<bool> left_by_pack_creation(Directory& root, std::string_view name);

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_PACK_LEFTOVERS_H_
