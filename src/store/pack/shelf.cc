// Opening and closing. Who is here is told by a shared lock on `state`: whoever gets it exclusively
// is alone, and may find out whether the last one left cleanly. They come in one after another,
// under a second lock: whoever is not alone knows that the others came in properly, and that nobody
// was killed half-way through a rebuild.
#include "store/pack/shelf.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <thread>

#include "base/guarded.h"
#include "base/try.h"
#include "format/pack_name.h"
#include "store/directory/explain.h"
#include "store/pack/allowed.h"
#include "store/pack/evictor.h"
#include "store/pack/large_files.h"

namespace larder::pack_store {
namespace {

using format::StateWord;
using store_directory::LockOffset;

constexpr auto door_wait = std::chrono::seconds(10);  // for another process's rebuild
constexpr auto creation_wait = std::chrono::seconds(10);

// "At most min(128, limit / 8)" in all: a quarter waits for the flush of large artifacts, twelve
// are for directories, index, state, locks and the segments on their way.
constexpr std::size_t fixed_descriptors = 12;

constexpr std::uint32_t writable_by_others = 0022;

std::size_t descriptor_allowance(FileSystem& file_system) {
  return std::clamp<std::uint64_t>(file_system.user().descriptor_limit / 8, 16, 128);
}

std::size_t segments_kept_open(FileSystem& file_system) {
  const std::size_t allowance = descriptor_allowance(file_system);
  return std::max<std::size_t>(
      2, allowance - allowance / 4 - std::min(fixed_descriptors, allowance / 2));
}

// Calls `attempt` (Result<bool>) until it says true, in small sleeps; false after `limit`.
template <class Attempt>
Result<bool> keep_trying(std::chrono::milliseconds limit, const Attempt& attempt) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  auto pause = std::chrono::microseconds(20);
  for (;;) {
    LARDER_TRY(const bool done, attempt());
    if (done) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(2000));
  }
}

std::uint64_t room_of(const Budget& budget, const SpaceInfo& space) noexcept {
  const std::uint64_t room = budget.max_bytes.value_or(std::numeric_limits<std::uint64_t>::max());
  return space.total_bytes == 0 ? room : std::min(room, space.total_bytes);
}

// At most a sixteenth of the room is open, and of the descriptors: each open one may have four that
// wait for their sync, and those that are carried to as many. Where that is not one segment, one
// is.
MostSegments most_segments(std::uint64_t room, std::uint64_t segment_bytes,
                           std::uint64_t descriptors) noexcept {
  const std::uint64_t open =
      std::clamp<std::uint64_t>(std::min(room / segment_bytes, descriptors) / 16, 1, writer_slots);
  return {.open = static_cast<std::size_t>(open), .unsynced = static_cast<std::size_t>(2 * open)};
}

}  // namespace

std::uint64_t segment_capacity(const Budget& budget, const SpaceInfo& space) noexcept {
  return std::clamp<std::uint64_t>(room_of(budget, space) / 64, 1u << 20,
                                   format::max_segment_bytes);
}

std::uint64_t Shelf::largest_record_payload() const noexcept {
  return std::min<std::uint64_t>(4u << 20, segment_bytes_ / 4);
}

Shelf::Shelf(const Parts& parts)
    : parts_(parts),
      origin_{.store = parts.root.id.value_or(format::StoreId{}), .file_system = parts.file_system},
      hash_(origin_.store),
      keys_(derive_keys(parts.options.keys, format::record_key_context, origin_.store)) {}

Result<std::unique_ptr<Shelf>> Shelf::open(const Parts& parts) {
  std::unique_ptr<Shelf> shelf(new Shelf(parts));
  LARDER_CHECK_OK(check_type(shelf->root(), parts.path));
  LARDER_CHECK_OK(shelf->open_directories());
  LARDER_CHECK_OK(shelf->open_state());
  LARDER_CHECK_OK(shelf->make_parts());
  if (shelf->read_only()) {
    LARDER_CHECK_OK(shelf->enter_read_only());
  } else {
    LARDER_CHECK_OK(shelf->enter());
  }
  return shelf;
}

// Which of the files in the root it is about.
Error Shelf::of_part(std::string_view name, Error error) const {
  return store_directory::at_path(std::move(error), parts_.path + "/" + std::string(name));
}

Result<void> Shelf::open_directories() {
  auto opened = root().open_directory(format::segments_name);
  if (!opened && opened.error().code == Errc::absent && !read_only()) {
    const auto made = root().make_directory(format::segments_name);
    if (!made && made.error().code != Errc::exists) return made;
    LARDER_CHECK_OK(root().sync());
    opened = root().open_directory(format::segments_name);
  }
  if (!opened && opened.error().code == Errc::absent) return {};
  if (!opened) return std::unexpected(of_part(format::segments_name, std::move(opened).error()));
  segments_directory_ = *std::move(opened);
  return check_segments_directory();
}

// As the root was checked: else others could put their files in the place of ours.
Result<void> Shelf::check_segments_directory() {
  LARDER_TRY(const FileInfo info, segments_directory_->info());
  if (origin_.trusts(info) && (info.permissions & writable_by_others) == 0) return {};
  const std::string path = parts_.path + "/" + std::string(format::segments_name);
  return std::unexpected(Error{.code = Errc::unsafe_directory,
                               .message = path +
                                          ": another user owns it, or may write into it; make it "
                                          "yours, and run: chmod go-w " +
                                          path});
}

LeftoverParts Shelf::leftover_parts() {
  return {.segments = *segments_directory_,
          .origin = origin_,
          .state = *state_,
          .index = *index_,
          .path = parts_.path + "/" + std::string(format::segments_name),
          .log = parts_.options.log};
}

Result<void> Shelf::open_state() {
  const OpenMode mode = read_only() ? OpenMode::read : OpenMode::read_write;
  auto opened = StateFile::open(root(), origin_, mode);
  const bool absent = !opened && opened.error().code == Errc::absent;
  if (absent && read_only()) {
    state_ = StateFile::make_private();
    return {};
  }
  if (absent) {
    LARDER_TRY(const auto held, locks().acquire(LockOffset::index(), creation_wait));
    opened = StateFile::open(root(), origin_, mode);
    if (!opened && opened.error().code == Errc::absent) {
      opened = StateFile::create(root(), origin_);
    }
  }
  if (!opened) return std::unexpected(of_part(format::state_name, std::move(opened).error()));
  state_ = *std::move(opened);
  return {};
}

Result<void> Shelf::make_parts() {
  index_ = std::make_unique<Index>(Index::Parts{.root = root(),
                                                .state = *state_,
                                                .locks = read_only() ? nullptr : &locks(),
                                                .epochs = parts_.epochs,
                                                .origin = origin_});
  segments_ =
      std::make_unique<SegmentTable>(parts_.epochs, segments_kept_open(parts_.file_system),
                                     [this](std::uint32_t number) { return open_segment(number); });
  if (segments_directory_) LARDER_CHECK_OK(make_writers());
  FileStoreOptions large{.directory = parts_.path + "/" + std::string(format::large_name),
                         .keys = parts_.options.keys,
                         .access = parts_.options.access,
                         .create = Create::at_first_put,
                         .log = parts_.options.log,
                         .file_system = parts_.options.file_system};
  large_ = std::make_shared<file_store::FileStore>(
      std::move(large),
      file_store::Within{.root = parts_.root.directory,
                         .max_open_files = descriptor_allowance(parts_.file_system) / 4});
  return {};
}

Result<void> Shelf::make_writers() {
  LARDER_TRY(const SpaceInfo space, root().space());
  segment_bytes_ = segment_capacity(parts_.options.budget, space);
  LARDER_TRY(const std::string type, root().file_system_type());
  LARDER_TRY(upkeep_directory_, root().open_directory(format::segments_name));
  LARDER_TRY(carriers_directory_, root().open_directory(format::segments_name));
  const auto parts = [&](Directory& segments, Writers::Adopt adopt) {
    return Writers::Parts{
        .file_system = parts_.file_system,
        .segments = segments,
        .state = *state_,
        .table = *segments_,
        .origin = origin_,
        .options = {.hash = hash_, .capacity_bytes = segment_bytes_},
        .most = most_segments(room_of(parts_.options.budget, space), segment_bytes_,
                              descriptor_allowance(parts_.file_system)),
        .adopt = adopt};
  };
  writers_ = std::make_unique<Writers>(parts(*segments_directory_, Writers::Adopt::yes));
  evictor_ = std::make_unique<Evictor>(
      Evictor::Parts{.shelf = *this,
                     .file_system = parts_.file_system,
                     .budget = parts_.options.budget,
                     .segment_bytes = segment_bytes_,
                     .carriers = parts(*carriers_directory_, Writers::Adopt::no),
                     .may_cut = type != "overlay"});
  return {};
}

// A segment by its number, whole or bad.
Result<std::shared_ptr<Segment>> Shelf::open_segment(std::uint32_t number) {
  if (!segments_directory_) {
    return std::unexpected(Error{.code = Errc::absent, .message = "there are no segments"});
  }
  const OpenMode mode = OpenMode::read;
  auto opened = marks().open(*segments_directory_, origin_, {.number = number}, mode);
  if (opened || opened.error().code != Errc::absent) return opened;
  LARDER_TRY(const auto bad, find_bad_segment(*segments_directory_, number));
  if (!bad) return opened;
  return marks().open(*segments_directory_, origin_, *bad, mode);
}

Result<bool> Shelf::is_alone() {
  return state_->file()->try_lock(LockMode::exclusive, presence_at, 1);
}

Error Shelf::busy() const {
  return {.code = Errc::timed_out,
          .message = parts_.path + ": another process rebuilds the index; try again"};
}

Result<bool> Shelf::pass_door(LockMode mode) {
  return keep_trying(door_wait, [&] { return state_->file()->try_lock(mode, door_at, 1); });
}

// At the door; true when nobody else is here. Who is on the way out may hold presence for himself:
// he is waited for.
Result<bool> Shelf::come_in() {
  bool alone = false;
  const auto attempt = [&]() -> Result<bool> {
    LARDER_TRY(alone, is_alone());
    if (alone) return true;
    LARDER_TRY(const bool joined, state_->file()->try_lock(LockMode::shared, presence_at, 1));
    if (!joined) return false;
    return state_->file()->is_locked(presence_at, 1);  // else the last one has just left
  };
  LARDER_TRY(const bool is_in, keep_trying(door_wait, attempt));
  if (!is_in) return std::unexpected(busy());
  return alone;
}

// What fails here ends the shelf, and with it its locks.
Result<void> Shelf::enter() {
  LARDER_TRY(const bool at_door, pass_door(LockMode::exclusive));
  if (!at_door) return std::unexpected(busy());
  LARDER_TRY(const bool alone, come_in());
  LARDER_CHECK_OK(make_index_good(alone));
  if (alone) index_->remove_tables(Index::Keep::current);
  gone_seen_ = state_->word(StateWord::gone_segments).load();
  if (alone) LARDER_CHECK_OK(state_->file()->try_lock(LockMode::shared, presence_at, 1));
  has_entered_ = true;
  return state_->file()->unlock(door_at, 1);
}

Result<void> Shelf::prepare_to_change() {
  if (has_changed_.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(change_mutex_);
  if (has_changed_.load(std::memory_order_relaxed)) return {};
  LARDER_CHECK_OK(state_->make_dirty());
  state_->word(StateWord::open_sessions).fetch_add(1);
  has_changed_.store(true, std::memory_order_release);
  return {};
}

Result<bool> Shelf::is_in_place() {
  LARDER_TRY(const bool state_there, state_->is_at_its_name(root()));
  if (!state_there) return false;
  LARDER_TRY(const FileInfo held, segments_directory_->info());
  const auto named = root().info_at(format::segments_name);
  if (!named && named.error().code == Errc::absent) return false;
  if (!named) return std::unexpected(named.error());
  return named->same_file(held);
}

void Shelf::tell(LogLevel level, std::string_view message) const {
  if (parts_.options.log) parts_.options.log(level, parts_.path + ": " + std::string(message));
}

Result<void> Shelf::sync_names() { return upkeep_directory_->sync(); }

void Shelf::drop_gone_segments() {
  const std::uint64_t gone = state_->word(StateWord::gone_segments).load(std::memory_order_relaxed);
  if (gone_seen_.load(std::memory_order_relaxed) == gone) return;
  gone_seen_ = gone;
  segments_->drop_unlinked();
}

Shelf::~Shelf() {
  best_effort([this] { close_cleanly(); });
}

// Sessions that were killed, or ended without a flush, stay counted: then the flag stays.
void Shelf::close_cleanly() {
  if (!writers_ || read_only() || !has_entered_) return;
  if (const std::uint64_t unsynced = taken_out_unsynced(); unsynced > 0) {
    note_given_up();
    end_taken_out_unsynced(unsynced);
  }
  const bool flushed = writers_->is_settled() && large_->durability().durable;
  const bool ends_well = !has_changed_ || (flushed && evictor_->sync_copies() && sync_unproven());
  evictor_->close();
  writers_->close_all();
  auto sessions = state_->word(StateWord::open_sessions);
  if (!ends_well || (has_unlinked_ && !segments_directory_->sync())) return;
  if (has_changed_) sessions.fetch_sub(1);
  if (sessions.load() != 0 || index_is_partial() || state_->is_clean() || !is_last()) return;
  if (sessions.load() != 0 || marks().any() || !index_->sync()) return;
  // Else the next one to come rebuilds.
  (void)state_->make_clean();
}

// Of two who leave at once, the one who lets go of presence last.
bool Shelf::is_last() {
  const auto before = is_alone();
  if (before && *before) return true;
  if (!state_->file()->unlock(presence_at, 1)) return false;
  const auto after = is_alone();
  return after && *after;
}

}  // namespace larder::pack_store
