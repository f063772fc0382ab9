// visit_strays: what the index leads to and nobody can tell whose it was, and what is no segment
// under the name of one.
//
// A repair takes slots out of the index by compare-and-swap from the word that led to the damage:
// what was put in its place meanwhile stays. A segment is removed when both of its headers are
// damaged, so that nothing in it can ever be verified, and under the lock of those who write it.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "store/directory/explain.h"
#include "store/pack/evict_usage.h"
#include "store/pack/pack_store_impl.h"
#include "store/pack/segment_writer.h"

namespace larder::pack_store {
namespace {

using format::StateWord;
using store_directory::LockOffset;
using store_directory::with_remedy;

// Neither header is good for this store under this number.
Result<Error> judge_headers(Directory& directory, const std::string& name) {
  LARDER_TRY(const auto file, directory.open_file(name, OpenMode::read));
  std::array<std::byte, format::records_at> copies = {};
  LARDER_CHECK_OK(file->read_at(copies, 0));
  for (const std::size_t at : {std::size_t{0}, format::segment_header_bytes}) {
    const auto copy = std::span(copies).subspan(at, format::segment_header_bytes);
    if (format::decode_segment_header(copy)) {
      return Error{.code = Errc::not_ours,
                   .message = "a segment of another store or number; move it away"};
    }
    if (format::is_of_other_version(copy)) {
      return Error{.code = Errc::not_ours,
                   .message =
                       "a segment of another version of Larder; use that one, or move it "
                       "away"};
    }
  }
  return Error{.code = Errc::corrupt,
               .message =
                   "nothing in it can be read, both of its headers are damaged; compile "
                   "again what was in it"};
}

// What could not be taken out stays, and says why.
void mend(Stray& stray, const std::function<Result<void>()>& take_out) {
  const auto done = take_out();
  stray.removed = done.has_value();
  if (!done) stray.message += " (not now: " + done.error().message + ")";
}

}  // namespace

std::string PackStoreImpl::path_of_segment(const format::SegmentName& name) const {
  return options_.directory + "/segments/" + path_of(name);
}

// By what the folder said first: `each` may change it.
Result<void> PackStoreImpl::list_segments(
    Shelf& shelf, const std::function<Visit(const format::SegmentName&)>& each) {
  std::vector<format::SegmentName> names;
  LARDER_CHECK_OK(shelf.segments_directory().list([&](std::string_view name) {
    if (const auto parsed = format::parse_segment_name(name)) names.push_back(*parsed);
    return true;
  }));
  for (const format::SegmentName& name : names) {
    if (each(name) == Visit::stop) break;
  }
  return {};
}

// Why nothing in it can be read; nullopt when it can, or when it is being made or has gone.
std::optional<Error> PackStoreImpl::trouble_with(Shelf& shelf, const format::SegmentName& name) {
  Directory& directory = shelf.segments_directory();
  const std::string path = path_of(name);
  const auto info = directory.info_at(path);
  if (!info && info.error().code == Errc::absent) return std::nullopt;
  if (!info) return with_remedy(info.error(), {});
  if (info->kind != FileKind::regular) {
    return Error{.code = Errc::not_ours,
                 .message = "no regular file, but under the name of a segment; move it away"};
  }
  if (info->size_bytes < format::segment_header_bytes) return std::nullopt;
  const auto opened = Segment::open(directory, shelf.origin(), name, OpenMode::read);
  if (opened || opened.error().code == Errc::absent) return std::nullopt;
  if (opened.error().code != Errc::corrupt) return with_remedy(opened.error(), {});
  // Who had it open before its headers were damaged still reads it.
  std::shared_ptr<Segment> keep;
  if (shelf.segments().find(name.number, keep)) return std::nullopt;
  const auto judged = judge_headers(directory, path);
  if (!judged && judged.error().code == Errc::absent) return std::nullopt;
  const bool was_given_out = name.number < shelf.state().word(StateWord::next_segment).load();
  if (judged && judged->code == Errc::corrupt && !was_given_out) {
    return Error{.code = Errc::not_ours,
                 .message =
                     "no segment, but under the name of one that is yet to be made; move it "
                     "away"};
  }
  return judged ? *judged : with_remedy(judged.error(), {});
}

Result<void> PackStoreImpl::forget_slots(Shelf& shelf, const std::vector<OddSlot>& slots) {
  for (const OddSlot& slot : slots) {
    LARDER_CHECK_OK(forget_slot(shelf, slot.tag, slot.place_word));
  }
  return {};
}

Result<void> PackStoreImpl::remove_segment(Shelf& shelf, const format::SegmentName& name,
                                           const std::vector<OddSlot>& slots) {
  Directory& directory = shelf.segments_directory();
  const std::string path = path_of(name);
  LARDER_TRY(const auto file, directory.open_file(path, OpenMode::read_write));
  LARDER_TRY(const bool locked, file->try_lock(LockMode::exclusive, owner_lock_at, 1));
  const auto trouble = locked ? trouble_with(shelf, name) : std::nullopt;
  LARDER_TRY(const FileInfo info, file->info());
  LARDER_TRY(const FileInfo named, directory.info_at(path));
  if (!trouble || trouble->code != Errc::corrupt || !named.same_file(info)) {
    return std::unexpected(
        Error{.code = Errc::timed_out, .message = "a process is at work on it; try again"});
  }
  LARDER_CHECK_OK(forget_slots(shelf, slots));
  LARDER_CHECK_OK(directory.remove_file(path));
  shelf.state().word(StateWord::gone_segments).fetch_add(1);
  return shelf.sync_names();
}

// False when there is something else by now. A file that is missing is looked for once more, under
// the lock of those who store it.
Result<bool> PackStoreImpl::forget_lost(Shelf& shelf, const OddSlot& slot) {
  if (slot.why != NoEntry::missing) return forget_slot(shelf, slot.tag, slot.place_word);
  const auto record = describe_record(shelf, format::Location::of(slot.place_word));
  if (!record) {
    return std::unexpected(
        Error{.code = Errc::io_error, .message = "it cannot be read just now; try again"});
  }
  const Fingerprint key = format::large_file_key(*record);
  LARDER_TRY(const auto held, shelf.locks().try_acquire(LockOffset::change_of(key)));
  if (!held) {
    return std::unexpected(
        Error{.code = Errc::timed_out, .message = "a process is at work on it; try again"});
  }
  LARDER_TRY(const bool is_there, shelf.large().has_file(key));
  if (is_there) return false;
  return forget_slot(shelf, slot.tag, slot.place_word);
}

std::string_view PackStoreImpl::what_ails(NoEntry why) {
  switch (why) {
    case NoEntry::unreadable: return "cannot be read; look at the system's log";
    case NoEntry::missing:
      return "the file of this artifact is missing; compile again, the next put replaces it";
    default: return "damaged beyond recognition; compile again, the next put replaces it";
  }
}

std::vector<Stray> PackStoreImpl::stray_places(Shelf& shelf, const std::string& path,
                                               const std::vector<OddSlot>& slots, Repair repair) {
  std::vector<Stray> strays;
  for (const OddSlot& slot : slots) {
    const auto location = format::Location::of(slot.place_word);
    const bool is_lost = slot.why != NoEntry::unreadable;
    Stray stray{.code = is_lost ? Errc::corrupt : Errc::io_error,
                .location = path + " at " + std::to_string(location.offset_bytes()),
                .message = std::string(what_ails(slot.why)),
                .entries = 1};
    if (is_lost && repair == Repair::yes) {
      bool has_left = true;
      mend(stray, [&]() -> Result<void> {
        LARDER_TRY(has_left, forget_lost(shelf, slot));
        return {};
      });
      if (!has_left) continue;  // somebody has put it again meanwhile
    }
    strays.push_back(std::move(stray));
  }
  return strays;
}

// Deleted by somebody, or lost by the file system: who evicts takes the slots away first.
std::optional<Stray> PackStoreImpl::missing_segment(Shelf& shelf, std::uint32_t number,
                                                    const std::vector<OddSlot>& slots,
                                                    Repair repair) {
  const auto is_missing = [](const OddSlot& slot) { return slot.why == NoEntry::missing; };
  if (slots.empty() || !std::ranges::all_of(slots, is_missing)) return std::nullopt;
  Stray stray{.code = Errc::corrupt,
              .location = path_of_segment({.number = number}),
              .message = "missing; compile again what was in it, the next put of each replaces it",
              .entries = slots.size()};
  if (repair == Repair::yes) mend(stray, [&] { return forget_slots(shelf, slots); });
  return stray;
}

std::vector<Stray> PackStoreImpl::strays_of(Shelf& shelf, const format::SegmentName& name,
                                            const std::vector<OddSlot>& slots, Repair repair) {
  const std::string path = path_of_segment(name);
  const auto trouble = trouble_with(shelf, name);
  if (!trouble) return stray_places(shelf, path, slots, repair);
  const bool is_corrupt = trouble->code == Errc::corrupt;
  const bool is_foreign = trouble->code == Errc::not_ours;
  std::vector<Stray> strays = {{.code = trouble->code,
                                .location = path,
                                .message = trouble->message,
                                .entries = is_foreign ? 0 : slots.size()}};
  if (is_corrupt && repair == Repair::yes) {
    mend(strays.front(), [&] { return remove_segment(shelf, name, slots); });
  }
  if (is_foreign && !slots.empty()) {
    strays.push_back({.code = Errc::corrupt,
                      .location = path,
                      .message = "lost, since no segment of this store stands there; compile "
                                 "again, the next put of each replaces it",
                      .entries = slots.size()});
    if (repair == Repair::yes) mend(strays.back(), [&] { return forget_slots(shelf, slots); });
  }
  return strays;
}

// Entries that are whole, and that nothing leads to. What keeps the segments from being read may
// have been told with them.
std::optional<Stray> PackStoreImpl::stray_index(Shelf& shelf, Repair repair, Told told) {
  const auto hidden = shelf.count_hidden();
  Stray stray;
  stray.location = options_.directory + "/" + format::index_name(shelf.state().generation());
  if (!hidden) {
    if (told == Told::trouble) return std::nullopt;
    stray.code = hidden.error().code;
    stray.message = "cannot be compared with the segments: " + hidden.error().message;
    return stray;
  }
  if (*hidden == 0) return std::nullopt;
  stray.message = "lacks entries that the segments hold whole; a repair makes it anew";
  stray.entries = *hidden;
  if (repair == Repair::yes) {
    mend(stray, [&]() -> Result<void> {
      LARDER_CHECK_OK(shelf.heal_index());
      return {};
    });
  }
  return stray;
}

Result<void> PackStoreImpl::visit_strays(const StrayVisitor& visitor, Repair repair) {
  return guarded([&]() -> Result<void> {
    if (repair == Repair::yes && options_.access == Access::read_only) {
      return std::unexpected(store_directory::opened_read_only(options_.directory));
    }
    const ReadEpochs::Collector collector(state().epochs);
    const auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_reading());
    if (shelf == nullptr || !shelf->has_segments()) return {};
    LARDER_TRY(auto walked, walk(*shelf, [](const EntryInfo&) { return Visit::go_on; }));
    OddSlots odd = std::move(walked).value_or(OddSlots());
    bool stopped = false;
    Told told = Told::nothing;
    LARDER_CHECK_OK(list_segments(*shelf, [&](const format::SegmentName& name) {
      const auto slots = std::exchange(odd[name.number], {});
      for (const Stray& stray : strays_of(*shelf, name, slots, repair)) {
        const bool is_unread = stray.code != Errc::not_ours && stray.code != Errc::corrupt;
        if (is_unread) told = Told::trouble;
        stopped = stopped || visitor(stray) == Visit::stop;
      }
      return stopped ? Visit::stop : Visit::go_on;
    }));
    if (stopped) return {};
    for (const auto& [number, slots] : odd) {
      const auto missing = missing_segment(*shelf, number, slots, repair);
      if (missing && visitor(*missing) == Visit::stop) return {};
    }
    const auto index = stray_index(*shelf, repair, told);
    if (index && visitor(*index) == Visit::stop) return {};
    return shelf->large().visit_strays(visitor, repair);
  });
}

}  // namespace larder::pack_store
