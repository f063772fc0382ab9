// What a power cut leaves behind the end of a file, up to the end of its last block.
//
// The disk has it, and programs do not see it: it stands in the synced page, and not in the one
// that is read. Until it is decided what it is, that page is as if there were nothing; this is
// decided when another crash point is taken. A sync takes it away that has written the page.
#include <algorithm>
#include <utility>
#include <vector>

#include "memory_file_data.h"

namespace larder::testing::memory {
namespace {

// What of that version stands behind the chosen size in its page.
PageBytes tail_of(const FileHistory& history, const PageVersion& version, std::uint64_t size,
                  std::uint64_t size_sequence) {
  PageBytes tail = {};
  const std::uint64_t page = size / page_bytes;
  const std::uint64_t end = end_of(history, version, (page + 1) * page_bytes, size_sequence);
  if (end <= size) return tail;
  const std::uint64_t from = size % page_bytes;
  const auto bytes = bytes_of(version.page).subspan(from, end - size);
  std::ranges::copy(bytes, tail.begin() + static_cast<std::ptrdiff_t>(from));
  return tail;
}

bool reaches_beyond(const PageRef& page, std::size_t end) noexcept {
  return page && std::ranges::any_of(bytes_of(page).subspan(end),
                                     [](std::byte byte) { return byte != std::byte{0}; });
}

PageRef page_at(const std::vector<PageRef>& pages, std::uint64_t number) {
  return number < pages.size() ? pages[number] : nullptr;
}

}  // namespace

// Programs see zeros there.
void FileData::hide_tail() {
  if (size_ % page_bytes == 0) return;
  const std::uint64_t last = size_ / page_bytes;
  const auto versions = origin_->versions.find(last);
  const bool was_written =
      versions != origin_->versions.end() &&
      std::ranges::any_of(versions->second, [this](const PageVersion& version) {
        return reaches_beyond(version.page, size_ % page_bytes);
      });
  const bool is_synced = reaches_beyond(pages_[last], size_ % page_bytes);
  if (!was_written && !is_synced) return;
  PageBytes seen = {};
  std::ranges::copy(bytes_of(pages_[last]).first(size_ % page_bytes), seen.begin());
  pages_[last] = make_page(seen);
  tail_ = Tail::open;
  tail_origin_ = origin_;
}

// Another one may be what it was at the last sync, or what any write since has left.
void FileData::decide_tail() {
  if (tail_ != Tail::open) return;
  const auto origin = std::exchange(tail_origin_, nullptr);
  const std::uint64_t last = crash_size_ / page_bytes;
  const auto tail_in = [&](const PageVersion& version) {
    return tail_of(*origin, version, crash_size_, size_sequence_);
  };
  std::vector<PageBytes> outcomes{tail_in({.page = page_at(origin->synced, last)})};
  std::uint32_t now = 0;
  if (const auto versions = origin->versions.find(last); versions != origin->versions.end()) {
    for (const PageVersion& version : versions->second) {
      const PageBytes tail = tail_in(version);
      const auto same = std::ranges::find(outcomes, tail);
      now = static_cast<std::uint32_t>(same - outcomes.begin());
      if (same == outcomes.end()) outcomes.push_back(tail);
    }
  }
  std::uint32_t chosen = 0;
  if (outcomes.size() > 1) {
    chosen = ask({.kind = CrashChoice::Kind::tail,
                  .name = name_,
                  .offset = crash_size_,
                  .outcomes = static_cast<std::uint32_t>(outcomes.size()),
                  .now = now});
  }
  PageBytes& tail = outcomes[chosen];
  tail_ = make_page(tail) ? Tail::there : Tail::none;
  if (tail_ == Tail::none) return;
  std::ranges::copy(bytes_of(history_.synced[last]).first(crash_size_ % page_bytes), tail.begin());
  history_.synced[last] = make_page(tail);
  frozen_.reset();
}

// With the file longer, its zeros are written; unsynced, as all that is written.
void FileData::note_wiped_tail(std::uint64_t sequence) {
  if (!has_tail() || size_ != crash_size_) return;
  const std::uint64_t last = size_ / page_bytes;
  history_.versions[last].push_back({.sequence = sequence, .page = pages_[last]});
}

// Where a sync has written nothing of that block, and not cut it off.
void FileData::keep_tail() {
  const std::uint64_t last = crash_size_ / page_bytes;
  const bool stays = has_tail() && history_.sizes.empty() && !history_.versions.contains(last);
  if (!stays) {
    tail_ = Tail::none;
    tail_origin_.reset();
  }
}

}  // namespace larder::testing::memory
