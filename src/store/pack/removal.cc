#include "store/pack/removal.h"

#include "base/try.h"

namespace larder::pack_store {

Result<void> append_removal(Shelf& shelf, SegmentWriter& writer, const format::Record& removal,
                            Copies copies) {
  LARDER_CHECK_OK(writer.append(removal, {}, {}));
  if (copies == Copies::one) return {};
  const auto second = writer.append(removal, {}, {});
  if (second) return {};
  shelf.tell(LogLevel::warning,
             removal.fingerprint.hex() +
                 ": removed; one copy of that could not be written: " + second.error().message);
  return {};
}

}  // namespace larder::pack_store
