// What stands under the name of an entry, or of a folder of entries, and is none. It is told and
// left alone: nobody knows whose it is. An entry that is damaged is no stray, since its name says
// whose it was.
#include "base/guarded.h"
#include "base/try.h"
#include "store/directory/explain.h"
#include "store/file/file_store.h"

namespace larder::file_store {
namespace {

std::string_view word_for(FileKind kind) {
  switch (kind) {
    case FileKind::regular: return "another user's file";
    case FileKind::directory: return "a folder";
    case FileKind::link: return "a link";
    case FileKind::other: break;
  }
  return "a FIFO, socket or device";
}

}  // namespace

Error FileStore::foreign(const FileInfo& info) {
  return {
      .code = Errc::not_ours,
      .message = std::string(word_for(info.kind)) + " under the name of an entry; move it away"};
}

Result<void> FileStore::visit_strays(const StrayVisitor& visitor, Repair repair) {
  return guarded([&]() -> Result<void> {
    if (repair == Repair::yes && directory().read_only()) {
      return std::unexpected(store_directory::opened_read_only(directory().path()));
    }
    const auto tell = [&](std::string_view path, const Error& why) {
      const bool is_folder = why.code == Errc::not_ours && !path.contains('/') &&
                             options_.layout == FileLayout::larder;
      const Error told = store_directory::with_remedy(why, {});
      return visitor({.code = told.code,
                      .location = directory().path() + "/" + std::string(path),
                      .message = is_folder ? "no folder, but under the name of one; move it away"
                                           : told.message});
    };
    return scan({.entry = [](const Found&) { return Visit::go_on; },
                 .other = [](const FileInfo&) {},
                 .stray = tell});
  });
}

}  // namespace larder::file_store
