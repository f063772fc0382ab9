#include "store/pack/evict_hidden.h"

#include <memory>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "base/try.h"
#include "store/pack/evict_older.h"
#include "store/pack/evict_usage.h"

namespace larder::pack_store {
namespace {

struct Candidate {
  std::uint64_t sequence = 0;
  bool is_removal = false;
  format::Location at;

  // As a rebuild has it: a removal that an eviction leaves has the sequence of its entry.
  bool gives_way_to(const Candidate& other) const noexcept {
    return std::tie(sequence, is_removal) < std::tie(other.sequence, other.is_removal);
  }
};

using Newest = std::unordered_map<std::uint64_t, Candidate>;  // by slot tag

Result<void> note_records(Shelf& shelf, Writers& carriers, std::uint32_t number, Newest& newest) {
  std::shared_ptr<Segment> keep;
  const auto segment = shelf.segments().find(number, keep);
  if (!segment) {
    const Errc code = segment.error().code;
    const bool is_none = code == Errc::absent || code == Errc::corrupt || code == Errc::not_ours;
    if (is_none) return {};
    return std::unexpected(segment.error());
  }
  LARDER_TRY(const auto entries, list_records(shelf, carriers, **segment));
  for (const format::SummaryEntry& entry : entries) {
    const Candidate next{.sequence = entry.sequence,
                         .is_removal = entry.removed,
                         .at = {.segment = number, .place = entry.place, .units = entry.hit_units}};
    const auto [known, is_first] = newest.emplace(entry.slot_tag, next);
    if (!is_first && known->second.gives_way_to(next)) known->second = next;
  }
  return {};
}

}  // namespace

Result<Hidden> find_hidden(Shelf& shelf, Writers& carriers) {
  std::vector<std::uint32_t> numbers;
  LARDER_CHECK_OK(shelf.segments_directory().list([&](std::string_view name) {
    if (const auto parsed = format::parse_segment_name(name)) numbers.push_back(parsed->number);
    return true;
  }));
  Hidden hidden;
  Newest newest;
  for (const std::uint32_t number : numbers) {
    auto noted = note_records(shelf, carriers, number, newest);
    if (noted) continue;
    Error why = std::move(noted).error();
    why.message = format::segment_name(number) + ": " + why.message;
    hidden.unread.push_back(std::move(why));
  }
  std::shared_ptr<Segment> keep;
  for (const auto& [tag, candidate] : newest) {
    if (candidate.is_removal) continue;
    LARDER_TRY(const auto place, find_place(shelf, tag));
    if (place) continue;
    auto record = read_record(shelf, candidate.at, keep);
    if (!record) hidden.unread.push_back(std::move(record).error());
    if (record && *record) hidden.records.push_back(**record);
  }
  return hidden;
}

}  // namespace larder::pack_store
