#include "store/pack/removal.h"

#include <utility>

#include "base/try.h"

namespace larder::pack_store {

Result<std::optional<Error>> append_removal(SegmentWriter& writer, const format::Record& removal,
                                            Copies copies) {
  LARDER_CHECK_OK(writer.append(removal, {}, {}));
  if (copies == Copies::one) return std::nullopt;
  auto second = writer.append(removal, {}, {});
  return second ? std::nullopt : std::optional(std::move(second).error());
}

}  // namespace larder::pack_store
