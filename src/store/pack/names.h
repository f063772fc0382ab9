// The names in the root of a pack store, beside the marker and the lock file.
#ifndef LARDER_STORE_PACK_NAMES_H_
#define LARDER_STORE_PACK_NAMES_H_

#include <string_view>

namespace larder::pack_store {

inline constexpr std::string_view state_name = "state";
inline constexpr std::string_view segments_name = "segments";
inline constexpr std::string_view large_name = "large";

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_NAMES_H_
