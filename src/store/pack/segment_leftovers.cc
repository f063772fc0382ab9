#include "store/pack/segment_leftovers.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "format/pack_segment.h"
#include "store/pack/segment_writer.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

constexpr std::size_t bytes_at_once = 1u << 20;

bool is_without_header(std::span<const std::byte> bytes) noexcept {
  for (std::size_t at = 0; at < format::records_at; at += format::segment_header_bytes) {
    const auto copy = bytes.subspan(std::min(at, bytes.size()));
    if (format::decode_segment_header(copy) || format::is_of_other_version(copy)) return false;
  }
  return true;
}

class Leftovers {
 public:
  explicit Leftovers(const LeftoverParts& parts) : parts_(parts) {}

  void remove_all() {
    find_used();
    std::vector<std::string> suspects;
    (void)parts_.segments.list([&](std::string_view name) {
      if (is_suspect(name)) suspects.emplace_back(name);
      return true;
    });
    for (const std::string& name : suspects) remove_if_left(name);
  }

 private:
  // Segments that the index leads to. Nobody can lead it to one without a header later on.
  void find_used() {
    const auto table = parts_.index.table();
    index_is_whole_ = table && parts_.state.word(StateWord::partial_index).load() == 0;
    for (std::uint64_t slot = 0; index_is_whole_ && slot < (*table)->slots(); ++slot) {
      const std::uint64_t word = (*table)->word_at(slot) & format::place_mask;
      if (word != 0) used_.insert(format::Location::of(word).segment);
    }
  }

  bool is_suspect(std::string_view name) {
    const auto parsed = format::parse_segment_name(name);
    if (!parsed) return false;
    const auto info = parts_.segments.info_at(name);
    if (!info || info->kind != FileKind::regular || !parts_.origin.owns(*info)) return false;
    if (parsed->number >= parts_.state.word(StateWord::next_segment).load()) return false;
    if (info->size_bytes < format::segment_header_bytes) return true;
    return index_is_whole_ && !used_.contains(parsed->number);
  }

  bool is_headless(File& file) const {
    std::array<std::byte, format::records_at> head = {};
    const auto count = file.read_at(head, 0);
    return count && is_without_header(std::span(head).first(*count));
  }

  // Something stands from there on, as far as it can be read.
  bool has_bytes(File& file, std::uint64_t from, std::uint64_t until) const {
    std::vector<std::byte> bytes(bytes_at_once);
    for (std::uint64_t at = from; at < until; at += bytes.size()) {
      const auto part = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), until - at));
      const auto count = file.read_at(part, at);
      if (!count || *count == 0) return false;
      const auto is_set = [](std::byte byte) { return byte != std::byte{0}; };
      if (std::ranges::any_of(part.first(*count), is_set)) return true;
    }
    return false;
  }

  // A power cut leaves zeros, of what nobody had flushed; a damaged disk may, too.
  void tell(const std::string& name, File& file, std::uint64_t size_bytes) const {
    if (!parts_.log) return;
    const bool is_damaged = has_bytes(file, 0, format::records_at);
    const bool had_records =
        has_bytes(file, format::records_at, std::min(size_bytes, longest_segment_bytes));
    if (!is_damaged && !had_records) return;
    const std::string why = is_damaged ? "both of its headers are damaged"
                                       : "it has no header, lost in a power cut or by damage";
    best_effort([&] {
      parts_.log(LogLevel::warning, parts_.path + "/" + name + ": " + why +
                                        ", nothing in it can be read; removed; compile again what "
                                        "was in it");
    });
  }

  void remove_if_left(const std::string& name) {
    const auto file = parts_.segments.open_file(name, OpenMode::read_write);
    if (!file) return;
    const auto locked = (*file)->try_lock(LockMode::exclusive, owner_lock_at, 1);
    if (!locked || !*locked) return;
    // Before the lock was ours a header may have been written, or somebody else has removed it.
    const auto info = (*file)->info();
    const auto named = parts_.segments.info_at(name);
    if (!info || !named || !named->same_file(*info) || !is_suspect(name)) return;
    if (!is_headless(**file)) return;
    if (parts_.segments.remove_file(name)) tell(name, **file, info->size_bytes);
  }

  const LeftoverParts& parts_;
  bool index_is_whole_ = false;
  std::set<std::uint32_t> used_;
};

}  // namespace

void remove_headless_segments(const LeftoverParts& parts) { Leftovers(parts).remove_all(); }

}  // namespace larder::pack_store
