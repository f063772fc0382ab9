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

  bool has_garbage(File& file) const {
    std::array<std::byte, format::records_at> head = {};
    (void)file.read_at(head, 0);
    return std::ranges::any_of(head, [](std::byte byte) { return byte != std::byte{0}; });
  }

  void tell(const std::string& name) const {
    if (!parts_.log) return;
    best_effort([&] {
      parts_.log(LogLevel::warning, parts_.path + "/" + name +
                                        ": both of its headers are damaged, nothing in it can be "
                                        "read; removed; compile again what was in it");
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
    if (parts_.segments.remove_file(name) && has_garbage(**file)) tell(name);
  }

  const LeftoverParts& parts_;
  bool index_is_whole_ = false;
  std::set<std::uint32_t> used_;
};

}  // namespace

void remove_headless_segments(const LeftoverParts& parts) { Leftovers(parts).remove_all(); }

}  // namespace larder::pack_store
