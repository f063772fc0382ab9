#include "store/pack/removal.h"

#include <utility>

#include "base/try.h"

namespace larder::pack_store {

Result<std::optional<Error>> append_removal(SegmentWriter& writer, const format::Record& removal) {
  LARDER_CHECK_OK(writer.append(removal, {}, {}));
  auto second = writer.append(removal, {}, {});
  return second ? std::nullopt : std::optional(std::move(second).error());
}

}  // namespace larder::pack_store
