#include "store/pack/evict_prune.h"

#include <algorithm>
#include <ranges>
#include <tuple>

#include "base/try.h"

namespace larder::pack_store {
namespace {

using format::Location;

// Beside the record, in the summary of the segment that it is carried to.
constexpr std::uint64_t bytes_beside_record = format::summary_entry_bytes;

// In the order of their places, so that each segment is opened once.
Result<std::vector<std::uint64_t>> words_of(Shelf& shelf) {
  LARDER_TRY(IndexTable* const table, shelf.index().table());
  std::vector<std::uint64_t> words;
  for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
    const std::uint64_t word = table->word_at(slot) & ~format::frozen_bit;
    if ((word & format::place_mask) != 0) words.push_back(word);
  }
  std::ranges::sort(words, {}, [](std::uint64_t word) { return word & format::place_mask; });
  return words;
}

}  // namespace

Result<PrunePlan::Leaving> PrunePlan::all_of(Shelf& shelf, EvictionReason reason) {
  LARDER_TRY(const auto words, words_of(shelf));
  Leaving leaving;
  for (const std::uint64_t word : words) leaving[word & format::place_mask] = reason;
  return leaving;
}

PrunePlan::PrunePlan(const Parts& parts) : before_(parts.disk.disk_bytes()) {
  report_.kept_bytes = before_;
  for (const SegmentOnDisk& segment : parts.disk.segments) {
    sources_[segment.name.number] = {.name = segment.name,
                                     .disk_bytes = segment.disk_bytes,
                                     .may_go = parts.may_go(segment.name)};
    if (!sources_[segment.name.number].may_go) report_.held_bytes += segment.disk_bytes;
  }
}

Result<PrunePlan> PrunePlan::make(const Parts& parts) {
  PrunePlan plan(parts);
  LARDER_CHECK_OK(plan.find_entries(parts));
  plan.compact_hollow(parts);
  plan.choose(parts);
  plan.spare(parts);
  return plan;
}

// In the order in which they leave.
Result<void> PrunePlan::find_entries(const Parts& parts) {
  LARDER_TRY(const auto words, words_of(parts.shelf));
  std::shared_ptr<Segment> keep;
  for (const std::uint64_t word : words) {
    const auto record = describe_record(parts.shelf, Location::of(word), keep);
    const auto source = sources_.find(Location::of(word).segment);
    if (!record || source == sources_.end()) continue;
    const bool is_large = record->kind == format::RecordKind::large;
    entries_.push_back({.word = word,
                        .sequence = record->sequence,
                        .record_bytes = record->total_bytes(),
                        .large_bytes = is_large ? record->raw_bytes : 0,
                        .used_s = record->written_s,
                        .visited = (word & format::visited_bit) != 0});
    source->second.live_bytes += record->total_bytes() + bytes_beside_record;
  }
  std::ranges::sort(entries_, {}, [](const Entry& entry) {
    return std::tuple(entry.visited, entry.used_s, entry.sequence);
  });
  report_.kept_entries = entries_.size();
  return {};
}

bool PrunePlan::wants_bytes(const Parts& parts) const {
  if (parts.budget.max_bytes && report_.kept_bytes > *parts.budget.max_bytes) return true;
  const std::uint64_t freed = before_ - std::min(before_, report_.kept_bytes);
  return parts.budget.min_free_bytes && parts.free_bytes + freed < *parts.budget.min_free_bytes;
}

void PrunePlan::touch(Source& source) {
  if (source.is_touched || !source.may_go) return;
  source.is_touched = true;
  report_.kept_bytes -= source.disk_bytes - std::min(source.disk_bytes, source.live_bytes);
}

// What is mostly dead is written anew before any entry has to go.
void PrunePlan::compact_hollow(const Parts& parts) {
  for (auto& [number, source] : sources_) {
    if (!wants_bytes(parts)) return;
    if (source.live_bytes < source.disk_bytes / 2) touch(source);
  }
}

// By the time that its record has: it may have been read since.
bool PrunePlan::is_too_old(const Parts& parts, const Entry& entry) noexcept {
  const std::int64_t age_s = parts.now_s - entry.used_s;
  return parts.budget.max_age_s && age_s > 0 &&
         static_cast<std::uint64_t>(age_s) > *parts.budget.max_age_s;
}

std::optional<EvictionReason> PrunePlan::reason(const Parts& parts, const Entry& entry,
                                                const Source& source) const {
  const Budget& budget = parts.budget;
  if (!entry.visited && is_too_old(parts, entry)) return EvictionReason::age;
  if (budget.max_entries && report_.kept_entries > *budget.max_entries) {
    return EvictionReason::entries;
  }
  if (!source.may_go && entry.large_bytes == 0) return std::nullopt;
  if (budget.max_bytes && report_.kept_bytes > *budget.max_bytes) return EvictionReason::bytes;
  if (wants_bytes(parts)) return EvictionReason::free_space;
  return std::nullopt;
}

std::uint64_t PrunePlan::freed_by(const Entry& entry, const Source& source) noexcept {
  return entry.large_bytes + (source.may_go ? entry.record_bytes + bytes_beside_record : 0);
}

void PrunePlan::leave(const Entry& entry, Source& source, EvictionReason reason) {
  touch(source);
  leaving_.emplace(entry.word & format::place_mask, reason);
  const std::uint64_t bytes = entry.record_bytes + entry.large_bytes;
  report_.evicted_entries += 1;
  report_.evicted_bytes += bytes;
  report_.kept_entries -= 1;
  report_.kept_bytes -= std::min(report_.kept_bytes, freed_by(entry, source));
}

// A segment that is written anew gives all that was read the time.
void PrunePlan::renew(const Entry& entry, Source& source) {
  if (source.may_go) {
    touch(source);
  } else {
    renewed_.push_back(entry.word & format::place_mask);
  }
}

void PrunePlan::choose(const Parts& parts) {
  for (const Entry& entry : entries_) {
    Source& source = sources_[Location::of(entry.word).segment];
    const auto why = reason(parts, entry, source);
    if (why) leave(entry, source, *why);
    if (!why && entry.visited && is_too_old(parts, entry)) renew(entry, source);
  }
}

// What was to leave before a larger one, whose leaving is enough without it: what was used last
// stays first.
void PrunePlan::spare(const Parts& parts) {
  for (const Entry& entry : std::views::reverse(entries_)) {
    if (parts.budget.max_entries && report_.kept_entries >= *parts.budget.max_entries) return;
    const auto left = leaving_.find(entry.word & format::place_mask);
    const bool is_for_bytes =
        left != leaving_.end() &&
        (left->second == EvictionReason::bytes || left->second == EvictionReason::free_space);
    if (!is_for_bytes) continue;
    const std::uint64_t freed = freed_by(entry, sources_[Location::of(entry.word).segment]);
    report_.kept_bytes += freed;
    if (wants_bytes(parts)) {
      report_.kept_bytes -= freed;
      continue;
    }
    leaving_.erase(left);
    report_.evicted_entries -= 1;
    report_.evicted_bytes -= entry.record_bytes + entry.large_bytes;
    report_.kept_entries += 1;
  }
}

std::vector<format::SegmentName> PrunePlan::segments() const {
  std::vector<format::SegmentName> names;
  for (const auto& [number, source] : sources_) {
    if (source.is_touched) names.push_back(source.name);
  }
  return names;
}

}  // namespace larder::pack_store
