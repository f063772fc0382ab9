// visit, and what it cannot show.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/evict_usage.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {
namespace {

constexpr std::uint64_t slots_at_once = 1u << 16;

struct Place {
  std::uint64_t word = 0;
  std::uint64_t slot = 0;
};

// In the order of their places, so that each segment is opened once.
std::vector<Place> places_of(const IndexTable& table, std::uint64_t first, std::uint64_t last) {
  std::vector<Place> places;
  for (std::uint64_t slot = first; slot < last; ++slot) {
    const std::uint64_t word = table.word_at(slot) & format::place_mask;
    if (word != 0) places.push_back({.word = word, .slot = slot});
  }
  std::ranges::sort(places, {}, &Place::word);
  return places;
}

bool is_entry(Shelf& shelf, const Found& found, std::uint64_t tag) {
  return found.record.kind != format::RecordKind::removed && shelf.tag_of(found.record) == tag;
}

}  // namespace

// By the entry of a newer key of ours, as look-ups see it: whoever put that one lacks the older
// key, or was cut off before he took this one away.
bool PackStoreImpl::is_hidden(Shelf& shelf, const IndexTable& table, const Described& entry) {
  if (entry.info.other_key) return false;
  std::shared_ptr<Segment> keep;
  for (const DerivedKey& key : shelf.keys()) {
    if (key.id == entry.key_id) return false;
    const std::uint64_t tag = shelf.tag_of(entry.info.fingerprint, key.id);
    for (IndexTable::Cursor cursor(table, tag); cursor.next();) {
      const std::uint64_t word = cursor.word() & format::place_mask;
      if (word == 0) continue;
      const auto newer = describe_slot(shelf, tag, word, keep);
      if (newer && !newer->file_trouble) return true;
    }
  }
  return false;
}

std::optional<PackStoreImpl::NoEntry> PackStoreImpl::trouble_with_file(
    Shelf& shelf, const format::Record& record) {
  const auto has_file = shelf.large().has_file(format::large_file_key(record));
  if (!has_file) return NoEntry::unreadable;
  return *has_file ? std::nullopt : std::optional(NoEntry::missing);
}

std::expected<PackStoreImpl::Described, PackStoreImpl::NoEntry> PackStoreImpl::describe_slot(
    Shelf& shelf, std::uint64_t tag, std::uint64_t word, std::shared_ptr<Segment>& keep) {
  Found found{.location = format::Location::of(word)};
  const auto segment = shelf.segments().find(found.location.segment, keep);
  if (!segment) {
    switch (segment.error().code) {
      case Errc::absent: return std::unexpected(NoEntry::missing);
      case Errc::corrupt:
      case Errc::not_ours: return std::unexpected(NoEntry::damaged);
      default: return std::unexpected(NoEntry::unreadable);
    }
  }
  if (!(*segment)->covers(found.location.offset_bytes(), found.location.hit_bytes())) {
    return std::unexpected(NoEntry::gone);
  }
  std::array<std::byte, format::record_header_bytes> header;
  const auto count = (*segment)->file()->read_at(header, found.location.offset_bytes());
  if (!count) return std::unexpected(NoEntry::unreadable);
  const auto verdict = format::decode_record(std::span(header).first(*count), (*segment)->key(),
                                             found.location.place, found.record);
  if (verdict == format::RecordVerdict::damaged) {
    return std::unexpected((*segment)->is_gone() ? NoEntry::missing : NoEntry::damaged);
  }
  if (verdict != format::RecordVerdict::good || !is_entry(shelf, found, tag)) {
    return std::unexpected(NoEntry::gone);
  }
  const format::Record& record = found.record;
  const bool is_large = record.kind == format::RecordKind::large;
  return Described{.info = {.fingerprint = record.fingerprint,
                            .payload_bytes = record.raw_bytes,
                            .disk_bytes = record.total_bytes() + (is_large ? record.raw_bytes : 0),
                            .last_used_s = record.written_s,
                            .other_key = !shelf.has_key(record.key_id)},
                   .key_id = record.key_id,
                   .file_trouble = is_large ? trouble_with_file(shelf, record) : std::nullopt};
}

std::expected<EntryInfo, PackStoreImpl::NoEntry> PackStoreImpl::describe_entry(
    Shelf& shelf, const IndexTable& table, std::uint64_t tag, std::uint64_t word,
    std::shared_ptr<Segment>& keep) {
  auto described = describe_slot(shelf, tag, word, keep);
  if (!described) return std::unexpected(described.error());
  if (is_hidden(shelf, table, *described)) return std::unexpected(NoEntry::gone);
  if (described->file_trouble) return std::unexpected(*described->file_trouble);
  return described->info;
}

// Over the table as it stands: one that takes its place meanwhile holds the same entries, and what
// is put or removed meanwhile may or may not be seen.
Result<std::optional<PackStoreImpl::OddSlots>> PackStoreImpl::walk(Shelf& shelf,
                                                                   const EntryVisitor& visitor) {
  LARDER_TRY(IndexTable* const table, shelf.index().table());
  OddSlots odd;
  std::shared_ptr<Segment> keep;
  for (std::uint64_t first = 0; first < table->slots(); first += slots_at_once) {
    for (const auto& [seen, slot] :
         places_of(*table, first, std::min(table->slots(), first + slots_at_once))) {
      const std::uint64_t word = table->word_at(slot) & format::place_mask;
      if (word == 0) continue;
      const std::uint64_t tag = table->tag_at(slot);
      auto entry = describe_entry(shelf, *table, tag, word, keep);
      const std::uint64_t word_now = table->word_at(slot) & format::place_mask;
      // Carried meanwhile.
      if (!entry && word_now != word && word_now != 0) {
        entry = describe_entry(shelf, *table, tag, word_now, keep);
      }
      if (entry && visitor(*entry) == Visit::stop) return std::nullopt;
      if (entry || entry.error() == NoEntry::gone || word_now != word) continue;
      odd[format::Location::of(word).segment].push_back(
          {.tag = tag, .place_word = word, .why = entry.error()});
    }
  }
  drop_left(shelf, odd);
  return odd;
}

// A table that another one has replaced still leads to what was evicted since. Who evicts takes the
// slot away first: what the table of now leads to, and is not there, was lost. An index of this
// process's own was made of what was there, and hears of nothing that left later.
void PackStoreImpl::drop_left(Shelf& shelf, OddSlots& odd) {
  for (auto& [number, slots] : odd) {
    std::erase_if(slots, [&](const OddSlot& slot) {
      if (slot.why != NoEntry::missing) return false;
      if (shelf.has_own_index()) return true;
      const auto word = find_word(shelf, slot.tag, slot.place_word);
      return !word || !*word;
    });
  }
  std::erase_if(odd, [](const auto& segment) { return segment.second.empty(); });
}

// One line for each segment: visit_strays has the places.
void PackStoreImpl::tell_odd(Shelf& shelf, const OddSlots& odd) {
  for (const auto& [number, slots] : odd) {
    const auto unreadable = std::ranges::count(slots, NoEntry::unreadable, &OddSlot::why);
    const std::string path = path_of_segment({.number = number});
    const auto missing = std::ranges::count(slots, NoEntry::missing, &OddSlot::why);
    const std::size_t damaged = slots.size() - static_cast<std::size_t>(unreadable + missing);
    if (damaged != 0) {
      log(LogLevel::warning, path + ": " + std::to_string(damaged) +
                                 " damaged beyond recognition; the next put of each replaces it");
    }
    if (missing != 0) {
      log(LogLevel::warning, path + ": " + std::to_string(missing) +
                                 " lost with a file that is missing; the next put of each "
                                 "replaces it");
    }
    if (unreadable != 0) {
      log(LogLevel::warning, path + ": " + std::to_string(unreadable) +
                                 " could not be read; look at the system's log");
    }
  }
  // Segments that nothing leads to any more, because a rebuild could not read them, are told too.
  (void)list_segments(shelf, [&](const format::SegmentName& name) {
    if (odd.contains(name.number)) return Visit::go_on;
    const auto trouble = trouble_with(shelf, name);
    if (trouble) log(LogLevel::warning, path_of_segment(name) + ": " + trouble->message);
    return Visit::go_on;
  });
}

Result<void> PackStoreImpl::visit(const EntryVisitor& visitor) {
  return guarded([&]() -> Result<void> {
    const ReadEpochs::Collector collector(state().epochs);
    const auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_reading());
    if (shelf == nullptr || !shelf->has_segments()) return {};
    LARDER_TRY(const auto odd, walk(*shelf, visitor));
    if (odd) tell_odd(*shelf, *odd);
    return {};
  });
}

}  // namespace larder::pack_store
