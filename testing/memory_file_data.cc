#include "memory_file_data.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace larder::testing::memory {
namespace {

using Sector = std::array<std::byte, sector_bytes>;

std::uint64_t total_of(std::span<const std::span<const std::byte>> pieces) noexcept {
  std::uint64_t total = 0;
  for (const auto piece : pieces) total += piece.size();
  return total;
}

// Hands out the pieces as one row of bytes.
class Gather {
 public:
  explicit Gather(std::span<const std::span<const std::byte>> pieces) noexcept : pieces_(pieces) {}

  void next(std::span<std::byte> into) noexcept {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto rest = pieces_.front().subspan(used_);
      const std::size_t count = std::min(rest.size(), into.size() - done);
      if (count > 0) std::memcpy(into.data() + done, rest.data(), count);
      done += count;
      used_ += count;
      if (used_ < pieces_.front().size()) continue;
      pieces_ = pieces_.subspan(1);
      used_ = 0;
    }
  }

 private:
  std::span<const std::span<const std::byte>> pieces_;
  std::size_t used_ = 0;
};

// What a sector of that version reads as then.
Sector sector_of(const FileHistory& history, const PageVersion& version, std::uint64_t offset,
                 std::uint64_t size, std::uint64_t size_sequence) {
  Sector sector;
  std::memcpy(sector.data(), bytes_of(version.page).data() + offset % page_bytes, sector_bytes);
  const std::uint64_t end = end_of(history, version, size, size_sequence);
  const std::uint64_t kept = end > offset ? std::min<std::uint64_t>(end - offset, sector_bytes) : 0;
  std::memset(sector.data() + kept, 0, sector_bytes - kept);
  return sector;
}

}  // namespace

std::uint64_t FileHistory::hash() const {
  std::uint64_t hash = mix(1, synced_bytes);
  for (const PageRef& page : synced) hash = mix(hash, hash_of(page));
  const bool is_cut = std::ranges::any_of(sizes, &SizeVersion::is_cut);
  for (const SizeVersion& size : sizes) {
    hash = mix(hash, size.bytes * 2 + 1);
    if (is_cut) hash = mix(hash, size.sequence);
  }
  for (const auto& [number, page_versions] : versions) {
    hash = mix(hash, number);
    for (const PageVersion& version : page_versions) {
      hash = mix(hash, hash_of(version.page));
      if (is_cut) hash = mix(hash, version.sequence);
    }
  }
  return hash;
}

std::uint64_t end_of(const FileHistory& history, const PageVersion& version, std::uint64_t size,
                     std::uint64_t size_sequence) {
  std::uint64_t end = size;
  for (const SizeVersion& each : history.sizes) {
    const bool cuts = each.is_cut && version.sequence < each.sequence;
    if (cuts && each.sequence <= size_sequence) end = std::min(end, each.bytes);
  }
  return end;
}

void FileData::begin_open(std::shared_ptr<const FileHistory> history) {
  origin_ = std::move(history);
  size_is_open_ = true;
}

std::uint32_t FileData::ask(const CrashChoice& choice) const {
  return choose_ ? std::min(choose_(choice), choice.outcomes - 1) : choice.now;
}

void FileData::open_size() {
  if (!size_is_open_) return;
  size_is_open_ = false;
  std::vector<SizeVersion> outcomes{{.sequence = 0, .bytes = origin_->synced_bytes}};
  std::uint32_t now = 0;
  bool was_cut = false;  // since the outcome before
  for (const SizeVersion& size : origin_->sizes) {
    was_cut = was_cut || size.is_cut;
    const auto same = std::ranges::find(outcomes, size.bytes, &SizeVersion::bytes);
    if (same == outcomes.end() || was_cut) {
      outcomes.push_back(size);
      now = static_cast<std::uint32_t>(outcomes.size() - 1);
      was_cut = false;
    } else {
      now = static_cast<std::uint32_t>(same - outcomes.begin());
    }
  }
  std::uint32_t chosen = 0;
  if (outcomes.size() > 1) {
    chosen = ask({.kind = CrashChoice::Kind::size,
                  .name = name_,
                  .outcomes = static_cast<std::uint32_t>(outcomes.size()),
                  .now = now});
  }
  size_ = outcomes[chosen].bytes;
  crash_size_ = size_;
  size_sequence_ = outcomes[chosen].sequence;
  const std::uint64_t count = pages_for(size_);
  pages_.assign(origin_->synced.begin(),
                origin_->synced.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(
                                              count, origin_->synced.size())));
  pages_.resize(count);
  constexpr unsigned all = (1u << sectors_per_page) - 1;
  for (const auto& [number, page_versions] : origin_->versions) {
    if (number < count) open_sectors_[number] = all;
  }
  // The page in which a smaller size ends has bytes behind it that are gone.
  if (count > 0 && size_ < origin_->synced_bytes) open_sectors_[count - 1] = all;
  hide_tail();
  history_ = {.synced_bytes = size_, .synced = pages_};
  if (open_sectors_.empty()) origin_.reset();
}

void FileData::put_sector(std::uint64_t page, std::size_t sector,
                          std::span<const std::byte> bytes) {
  const auto there = bytes_of(pages_[page]);
  if (std::memcmp(there.data() + sector * sector_bytes, bytes.data(), sector_bytes) == 0) return;
  PageBytes changed;
  std::ranges::copy(there, changed.begin());
  std::ranges::copy(bytes, changed.begin() + static_cast<std::ptrdiff_t>(sector * sector_bytes));
  pages_[page] = make_page(changed);
  history_.synced[page] = pages_[page];
}

void FileData::open_sector(std::uint64_t page, std::size_t sector) {
  const std::uint64_t offset = page * page_bytes + sector * sector_bytes;
  const PageRef synced = page < origin_->synced.size() ? origin_->synced[page] : nullptr;
  std::vector<Sector> outcomes{
      sector_of(*origin_, {.page = synced}, offset, crash_size_, size_sequence_)};
  std::uint32_t now = 0;
  if (const auto versions = origin_->versions.find(page); versions != origin_->versions.end()) {
    for (const PageVersion& version : versions->second) {
      const Sector bytes = sector_of(*origin_, version, offset, crash_size_, size_sequence_);
      const auto same = std::ranges::find(outcomes, bytes);
      now = static_cast<std::uint32_t>(same - outcomes.begin());
      if (same == outcomes.end()) outcomes.push_back(bytes);
    }
  }
  std::uint32_t chosen = 0;
  if (outcomes.size() > 1) {
    chosen = ask({.kind = CrashChoice::Kind::sector,
                  .name = name_,
                  .offset = offset,
                  .outcomes = static_cast<std::uint32_t>(outcomes.size()),
                  .now = now});
  }
  put_sector(page, sector, outcomes[chosen]);
}

// Decides what the range touches.
void FileData::open_sectors(std::uint64_t offset, std::uint64_t length) {
  open_size();
  if (!origin_ || length == 0) return;
  const std::uint64_t first = offset / sector_bytes;
  const std::uint64_t last = (offset + length - 1) / sector_bytes;
  auto page = open_sectors_.lower_bound(first / sectors_per_page);
  while (page != open_sectors_.end() && page->first <= last / sectors_per_page) {
    for (std::size_t sector = 0; sector < sectors_per_page; ++sector) {
      const std::uint64_t number = page->first * sectors_per_page + sector;
      if ((page->second & 1u << sector) == 0 || number < first || number > last) continue;
      page->second &= ~(1u << sector);
      open_sector(page->first, sector);
    }
    page = page->second == 0 ? open_sectors_.erase(page) : std::next(page);
  }
  if (open_sectors_.empty()) origin_.reset();
}

// The same of whole pages: what is changed must not be open, or what is decided later would pass
// for synced together with the change.
void FileData::open_pages(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t first = offset / page_bytes * page_bytes;
  open_sectors(first, pages_for(offset + length) * page_bytes - first);
}

// What is about to be written over altogether need not be decided.
void FileData::pass_over_sectors(std::uint64_t offset, std::uint64_t length) {
  for (auto& [page, sectors] : open_sectors_) {
    for (std::size_t sector = 0; sector < sectors_per_page; ++sector) {
      const std::uint64_t at = page * page_bytes + sector * sector_bytes;
      if (at >= offset && at + sector_bytes <= offset + length) sectors &= ~(1u << sector);
    }
  }
}

std::uint64_t FileData::bytes() {
  open_size();
  return size_;
}

std::size_t FileData::read(std::span<std::byte> into, std::uint64_t offset) {
  open_size();
  if (offset >= size_) return 0;
  const std::size_t count = std::min<std::uint64_t>(into.size(), size_ - offset);
  open_sectors(offset, count);
  for (std::size_t done = 0; done < count;) {
    const std::uint64_t at = offset + done;
    const std::size_t part = std::min<std::size_t>(page_bytes - at % page_bytes, count - done);
    if (is_mapped(at / page_bytes)) {
      memory_->read(into.subspan(done, part), at);
    } else {
      std::memcpy(into.data() + done, bytes_of(pages_[at / page_bytes]).data() + at % page_bytes,
                  part);
    }
    done += part;
  }
  return count;
}

bool FileData::is_mapped(std::uint64_t page) const noexcept {
  return memory_ && (page + 1) * page_bytes <= memory_->bytes().size();
}

void FileData::set_page(std::uint64_t number, PageRef page, std::uint64_t sequence) {
  if (pages_.size() <= number) pages_.resize(number + 1);
  const bool is_same =
      page == pages_[number] || (hash_of(page) == hash_of(pages_[number]) &&
                                 std::ranges::equal(bytes_of(page), bytes_of(pages_[number])));
  if (is_same) return;
  pages_[number] = page;
  history_.versions[number].push_back({.sequence = sequence, .page = std::move(page)});
  frozen_.reset();
}

void FileData::write_page(std::uint64_t number, std::uint64_t from,
                          std::span<const std::byte> bytes, std::uint64_t sequence) {
  PageBytes changed;
  const PageRef before = number < pages_.size() ? pages_[number] : nullptr;
  if (bytes.size() < page_bytes) {
    std::memcpy(changed.data(), bytes_of(before).data(), page_bytes);
  }
  std::memcpy(changed.data() + from, bytes.data(), bytes.size());
  set_page(number, make_page(changed), sequence);
}

void FileData::capture_page(std::uint64_t number, std::uint64_t sequence) {
  if (pages_.size() <= number) pages_.resize(number + 1);
  const std::uint64_t at = number * page_bytes;
  if (memory_->equals(bytes_of(pages_[number]), at)) return;
  PageBytes bytes;
  memory_->read(bytes, at);
  set_page(number, make_page(bytes), sequence);
}

// What was written through mappings.
void FileData::capture(std::uint64_t sequence) {
  for (std::uint64_t number = 0; number < pages_for(size_) && is_mapped(number); ++number) {
    capture_page(number, sequence);
  }
}

// A write may end with any page, or its first sector.
void FileData::grow(std::uint64_t from, std::uint64_t end, std::uint64_t sequence) {
  if (end <= size_) return;
  note_wiped_tail(sequence);
  for (const std::uint64_t step : {sector_bytes, page_bytes}) {
    const std::uint64_t torn = (from / step + 1) * step;
    const std::uint64_t last = history_.sizes.empty() ? size_ : history_.sizes.back().bytes;
    if (torn <= size_ || torn >= end || torn == last) continue;
    history_.sizes.push_back({.sequence = sequence, .bytes = torn});
  }
  history_.sizes.push_back({.sequence = sequence, .bytes = end});
  size_ = end;
  pages_.resize(pages_for(end));
  frozen_.reset();
}

void FileData::write(std::span<const std::span<const std::byte>> pieces, std::uint64_t offset,
                     std::uint64_t sequence) {
  const std::uint64_t total = total_of(pieces);
  if (total == 0) return;
  open_size();
  pass_over_sectors(offset, total);
  open_pages(offset, total);
  grow(offset, offset + total, sequence);
  Gather gather(pieces);
  PageBytes part;
  for (std::uint64_t done = 0; done < total;) {
    const std::uint64_t at = offset + done;
    const std::size_t count = std::min<std::uint64_t>(page_bytes - at % page_bytes, total - done);
    const auto bytes = std::span(part).first(count);
    gather.next(bytes);
    if (is_mapped(at / page_bytes)) {
      memory_->write(bytes, at);
      capture_page(at / page_bytes, sequence);
    } else {
      write_page(at / page_bytes, at % page_bytes, bytes, sequence);
    }
    done += count;
  }
}

void FileData::extend(std::uint64_t end, std::uint64_t sequence) {
  open_size();
  if (end <= size_) return;
  note_wiped_tail(sequence);
  history_.sizes.push_back({.sequence = sequence, .bytes = end});
  size_ = end;
  pages_.resize(pages_for(end));
  frozen_.reset();
}

void FileData::cut(std::uint64_t end, std::uint64_t sequence) {
  open_size();
  if (end > size_ || (end == size_ && !has_tail())) return;
  open_pages(end, size_ - end);
  capture(sequence);
  history_.sizes.push_back({.sequence = sequence, .bytes = end, .is_cut = true});
  const std::uint64_t count = pages_for(end);
  constexpr PageBytes zeros = {};
  for (std::uint64_t at = end; at < size_ && is_mapped(at / page_bytes);) {
    const std::size_t part = std::min<std::uint64_t>(page_bytes - at % page_bytes, size_ - at);
    memory_->write(std::span(zeros).first(part), at);
    at += part;
  }
  pages_.resize(count);
  if (end % page_bytes != 0) {
    PageBytes kept = {};
    std::ranges::copy(bytes_of(pages_[count - 1]).first(end % page_bytes), kept.begin());
    set_page(count - 1, make_page(kept), sequence);
  }
  size_ = end;
  frozen_.reset();
}

void FileData::sync(std::uint64_t sequence) {
  open_size();
  capture(sequence);
  keep_tail();
  const PageRef last = tail_ == Tail::there ? history_.synced.back() : nullptr;
  history_ = {.synced_bytes = size_, .synced = pages_};
  if (last) history_.synced.back() = last;
  frozen_.reset();
}

std::shared_ptr<SharedMemory> FileData::map(std::uint64_t bytes) {
  open_size();
  if (memory_) return memory_->bytes().size() >= bytes ? memory_ : nullptr;
  open_sectors(0, size_);
  auto memory = SharedMemory::make(std::max(bytes, size_));
  if (!memory) return nullptr;
  for (std::uint64_t number = 0; number < pages_.size(); ++number) {
    if (pages_[number]) memory->write(pages_[number]->bytes, number * page_bytes);
  }
  memory_ = memory;
  return memory;
}

void FileData::unmap(std::uint64_t sequence) {
  if (memory_.use_count() > 1) return;
  capture(sequence);
  memory_.reset();
}

void FileData::decide_all() {
  open_size();
  open_sectors(0, size_);
  decide_tail();
}

std::shared_ptr<const FileHistory> FileData::freeze(std::uint64_t sequence) {
  decide_all();
  capture(sequence);
  if (!frozen_) frozen_ = std::make_shared<const FileHistory>(history_);
  return frozen_;
}

}  // namespace larder::testing::memory
