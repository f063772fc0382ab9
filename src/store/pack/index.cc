#include "store/pack/index.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/try.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

constexpr auto index_wait = std::chrono::milliseconds(2000);
constexpr int attempts_to_follow = 8;  // each lost to a table that was replaced meanwhile
constexpr int attempts_to_change = 64;

// A table that is at most four tenths full, so that it grows seldom.
std::uint32_t log2_for(std::uint64_t entries) noexcept {
  const auto bits = static_cast<std::uint32_t>(std::bit_width(entries * 5 / 2));
  return std::clamp(bits, format::min_log2_slots, format::max_log2_slots);
}

bool always_other(std::uint64_t) noexcept { return true; }

std::uint64_t count_live(const IndexTable& table) noexcept {
  std::uint64_t live = 0;
  for (std::uint64_t slot = 0; slot < table.slots(); ++slot) {
    if ((table.word_at(slot) & format::place_mask) != 0) ++live;
  }
  return live;
}

// From a table that nobody can change any more into one that nobody can see yet.
void copy_frozen(IndexTable& from, IndexTable& to) noexcept {
  for (std::uint64_t slot = 0; slot < from.slots(); ++slot) {
    const std::uint64_t word = from.freeze(slot) & ~format::frozen_bit;
    if ((word & format::place_mask) == 0) continue;
    // There is room: the new table was made for more entries than the old one has.
    (void)to.publish(from.tag_at(slot), 0, word, always_other);
  }
}

}  // namespace

void Index::adopt(std::shared_ptr<IndexFile> file) {
  current_.store(file.get(), std::memory_order_seq_cst);
  std::swap(owned_, file);
  if (file) parts_.epochs.retire(std::move(file));
}

// With mutex_ held.
Result<void> Index::open_generation(std::uint64_t generation) {
  const OpenMode mode = parts_.locks != nullptr ? OpenMode::read_write : OpenMode::read;
  LARDER_TRY(auto file, parts_.root.open_file(format::index_name(generation), mode));
  LARDER_TRY(const FileInfo info, file->info());
  std::array<std::byte, format::index_header_bytes> bytes = {};
  const bool is_ours = info.kind == FileKind::regular && parts_.origin.trusts(info);
  if (is_ours) LARDER_CHECK_OK(file->read_at(bytes, 0));
  const auto header = format::decode_index_header(bytes, info.size_bytes);
  if (!header || header->store != parts_.origin.store || header->generation != generation) {
    return std::unexpected(Error{.code = Errc::corrupt, .message = "the index is damaged"});
  }
  LARDER_TRY(auto mapping, file->map(mode, header->file_bytes()));
  LARDER_CHECK_OK(mapping->check(0, format::index_header_bytes));
  const IndexTable table(mapping->bytes(), *header);
  adopt(std::make_shared<IndexFile>(table, std::move(file), std::move(mapping), nullptr));
  return {};
}

// The table that `state` names.
Result<void> Index::open_current() {
  const std::lock_guard lock(mutex_);
  for (int attempt = 0;; ++attempt) {
    if (owned_ && (is_private_ || is_current(*owned_))) return {};
    const std::uint64_t generation = parts_.state.generation();
    auto opened = open_generation(generation);
    const bool was_replaced = parts_.state.generation() != generation;
    if (!opened && (!was_replaced || attempt == attempts_to_follow)) return opened;
  }
}

Result<IndexTable*> Index::follow() {
  if (open_current()) return &current_.load(std::memory_order_seq_cst)->table;
  return std::unexpected(
      Error{.code = Errc::io_error,
            .message = "the index cannot be opened; look at the limit of open files, or open the "
                       "store anew"});
}

Result<std::shared_ptr<IndexFile>> Index::create(std::uint64_t generation,
                                                 std::uint32_t log2_slots) {
  const format::IndexHeader header{
      .store = parts_.origin.store, .generation = generation, .log2_slots = log2_slots};
  const std::string name = format::index_name(generation);
  // Left by somebody who was killed before `state` named it.
  if (const auto removed = parts_.root.remove_file(name);
      !removed && removed.error().code != Errc::absent) {
    return std::unexpected(removed.error());
  }
  LARDER_TRY(auto file, parts_.root.create_file(name));
  auto filled = fill(std::move(file), header);
  // The blocks that a full disk still had are not to be lost as well.
  if (!filled) (void)parts_.root.remove_file(name);
  return filled;
}

Result<std::shared_ptr<IndexFile>> Index::fill(std::unique_ptr<File> file,
                                               const format::IndexHeader& header) {
  LARDER_CHECK_OK(file->allocate(header.file_bytes()));
  LARDER_TRY(auto mapping, file->map(OpenMode::read_write, header.file_bytes()));
  LARDER_CHECK_OK(mapping->check(0, header.file_bytes()));
  format::encode_index_header(header, mapping->bytes().first<format::index_header_bytes>());
  const IndexTable table(mapping->bytes(), header);
  return std::make_shared<IndexFile>(table, std::move(file), std::move(mapping), nullptr);
}

// With mutex_ and the index lock held.
void Index::publish_generation(std::shared_ptr<IndexFile> file) {
  const std::uint64_t old = parts_.state.generation();
  parts_.state.word(StateWord::generation).store(file->table.generation());
  adopt(std::move(file));
  // When it stays, the next one who is alone removes it.
  (void)parts_.root.remove_file(format::index_name(old));
}

Result<void> Index::replace_locked(IndexTable& old) {
  const std::uint64_t live = count_live(old);
  LARDER_TRY(auto fresh, create(old.generation() + 1, log2_for(live + live / 8 + 64)));
  copy_frozen(old, fresh->table);
  publish_generation(std::move(fresh));
  return {};
}

// With the index lock held. When it cannot be, the old table stays in use and nothing frozen.
Result<void> Index::replace_if_current(std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  if (parts_.state.generation() != generation || !owned_ || !is_current(*owned_)) return {};
  auto replaced = replace_locked(owned_->table);
  if (!replaced) owned_->table.thaw_all();
  // A full disk is not asked again at every put.
  retry_at_used_ = replaced ? 0 : owned_->table.used() + owned_->table.slots() / 64;
  return replaced;
}

// Replaces the table of that generation by one with room, unless somebody has.
Result<void> Index::replace_table(std::uint64_t generation, Lock lock) {
  if (is_private_) {
    return std::unexpected(Error{.code = Errc::no_space, .message = "a private index is full"});
  }
  if (lock == Lock::is_held) return replace_if_current(generation);
  LARDER_TRY(const auto held,
             parts_.locks->acquire(store_directory::LockOffset::index(), index_wait));
  return replace_if_current(generation);
}

// A change counts when it went into the table that was the current one afterwards; else it is made
// again, in the next one, where it may have been copied to already.
Result<Published> Index::change(const Change& change, Lock lock) {
  for (int attempt = 0; attempt < attempts_to_change; ++attempt) {
    const auto guard = parts_.epochs.enter();
    LARDER_TRY(IndexTable* const current, table());
    const Published published = change(*current);
    if (published == Published::frozen || published == Published::full) {
      LARDER_CHECK_OK(replace_table(current->generation(), lock));
      continue;
    }
    if (is_private_) return published;
    if (parts_.state.generation() != current->generation()) continue;
    if (current->crowded() && current->used() >= retry_at_used_.load()) {
      // There is room for a third more; who finds none at all is told.
      (void)replace_table(current->generation(), lock);
    }
    return published;
  }
  return std::unexpected(
      Error{.code = Errc::timed_out, .message = "the index is being replaced; try again"});
}

Result<Published> Index::publish(std::uint64_t tag, std::uint64_t expected, std::uint64_t word,
                                 const IndexTable::IsOther& is_other, Lock lock) {
  const std::uint64_t place = word & format::place_mask;
  bool was_done = false;
  const Change publish = [&](IndexTable& table) {
    Published published = table.publish(tag, expected, word, is_other);
    if (published == Published::changed && was_done) {
      // The table was replaced behind our back, and the copy has it.
      for (IndexTable::Cursor cursor(table, tag); cursor.next();) {
        if ((cursor.word() & format::place_mask) == place) return Published::done;
      }
    }
    was_done = was_done || published == Published::done;
    return published;
  };
  return change(publish, lock);
}

Result<Published> Index::withdraw(std::uint64_t tag, std::uint64_t expected, Lock lock) {
  bool was_done = false;
  const Change withdraw = [&](IndexTable& table) {
    const Published published = table.withdraw(tag, expected);
    if (published == Published::changed && was_done) return Published::done;
    was_done = was_done || published == Published::done;
    return published;
  };
  return change(withdraw, lock);
}

bool Index::try_withdraw(std::uint64_t tag, std::uint64_t expected) {
  const auto guard = parts_.epochs.enter();
  IndexTable* const current = table_at_hand();
  return current != nullptr && current->withdraw(tag, expected) == Published::done;
}

Result<bool> Index::has_tag(std::uint64_t tag) {
  LARDER_TRY(IndexTable* const current, table());
  return IndexTable::Cursor(*current, tag).next();
}

Result<void> Index::start_anew(std::uint64_t entries) {
  const std::lock_guard lock(mutex_);
  LARDER_TRY(auto fresh, create(parts_.state.generation() + 1, log2_for(entries)));
  publish_generation(std::move(fresh));
  return {};
}

Result<void> Index::start_private(std::uint64_t entries) {
  const format::IndexHeader header{
      .store = parts_.origin.store, .generation = 0, .log2_slots = log2_for(entries)};
  auto memory = std::make_unique<std::byte[]>(header.file_bytes());
  const IndexTable table({memory.get(), header.file_bytes()}, header);
  const std::lock_guard lock(mutex_);
  is_private_ = true;
  adopt(std::make_shared<IndexFile>(table, nullptr, nullptr, std::move(memory)));
  return {};
}

void Index::remove_tables(Keep keep) {
  const std::uint64_t current = parts_.state.generation();
  std::vector<std::string> leftovers;
  // What stays is unused space, until the next one who is alone removes it.
  (void)parts_.root.list([&](std::string_view name) {
    const auto generation = format::parse_index_name(name);
    const bool is_kept = generation == current && keep == Keep::current;
    if (generation && !is_kept) leftovers.emplace_back(name);
    return true;
  });
  for (const std::string& name : leftovers) (void)parts_.root.remove_file(name);
}

// With its name: after a crash a generation may be given once more, and until the directory is
// synced the name may lead to the table that had it before.
Result<void> Index::sync() {
  const std::lock_guard lock(mutex_);
  if (!owned_ || !owned_->file) return {};
  LARDER_CHECK_OK(owned_->file->sync_data());
  return parts_.root.sync();
}

}  // namespace larder::pack_store
