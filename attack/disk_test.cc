#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include "format/pack_index.h"
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <set>
#include "tests/unit/pack_store_fixture.h"
#include "tests/unit/small_disk.h"
namespace larder { namespace {
namespace fs = std::filesystem;
using testing::Op; using testing::Operation;
TEST(Disk, T06e) {
  for (const std::size_t size : {300'000ul, 3'000'000ul}) {
  const std::string said = on_small_disk(64 * mib, [size](const std::string& path) -> std::string {
    int evicted = 0;
    auto store = open_pack_store({.directory = path + "/store", .on_evict = [&](const Eviction&) { ++evicted; }});
    if (!store) return store.error().message;
    std::string out; 
    for (std::uint32_t i = 0; i < 260; ++i) {
      const auto p = payload_of(size, i);
      const int before = evicted;
      const auto m0 = (*store)->metrics();
      const auto done = (*store)->put(numbered(i), bytes_of(p));
      struct statvfs v{}; ::statvfs(path.c_str(), &v);
      if (!done) { out += " FAIL put" + std::to_string(i) + ": " + done.error().message; break; }
      if (i % 20 == 0 && out.size() < 400) out += " [" + std::to_string(i) + ": free " + std::to_string(v.f_bavail * v.f_frsize / mib) + " entries " + std::to_string((*store)->metrics().entries) + "]";
      if (evicted != before && out.size() < 600) out += " put" + std::to_string(i) + ":-" + std::to_string(evicted - before) + " of " + std::to_string(m0.entries);
    }
    return out;
  });
  std::cout << size << ": " << said << "\n"; }
}
class Fds : public PackStoreFixture {};
TEST_F(Fds, T18_Visit) {
  options_.budget = {.max_bytes = 60 * mib};
  { auto a = open(); for (std::uint32_t i = 0; i < 9'000; ++i) ASSERT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok"); ASSERT_TRUE(a->flush()); }
  std::cout << segment_names().size() << " segments\n";
  struct rlimit old{}; ::getrlimit(RLIMIT_NOFILE, &old);
  std::cout << "limit here " << old.rlim_cur << "\n";
  struct rlimit low = old; low.rlim_cur = 256; ::setrlimit(RLIMIT_NOFILE, &low);
  std::vector<std::string> log;
  options_.log = [&](LogLevel, std::string_view l) { log.emplace_back(l); };
  auto fds = [] { std::error_code e; std::size_t n = 0; for (fs::directory_iterator it("/proc/self/fd", e), end; !e && it != end; it.increment(e)) ++n; return n; };
  testing::FaultFileSystem f(posix_file_system()); options_.file_system = &f;
  auto a = open();
  const auto before = fds(); std::size_t most = 0, seen = 0; bool host_ok = true;
  const auto v = a->visit([&](const EntryInfo&) { ++seen; if (seen % 16 == 0) { const int fd = ::open("/dev/null", O_RDONLY); if (fd < 0) host_ok = false; else ::close(fd); most = std::max(most, fds()); } return Visit::go_on; });
  std::cout << "visit: " << (v ? "ok" : v.error().message) << ", seen " << seen << " of 9000, descriptors before " << before << ", most " << most << ", the host could open a file all the time: " << host_ok << "\n";
  if (!log.empty()) std::cout << "log: " << log.front() << "\n";
  std::vector<Fingerprint> all; for (std::uint32_t i = 0; i < 9000; ++i) all.push_back(numbered(i * 7919 % 9000));
  const auto g = a->get_many(all); std::size_t hits = 0; if (g) for (auto& l : *g) hits += l && *l ? 1 : 0;
  std::cout << "get_many " << hits << "\n";
  const auto p = a->prune({.max_bytes = 40 * mib}); std::cout << "prune: " << (p ? "ok, kept " + std::to_string(p->kept_entries) : p.error().message) << "\n";
  ::setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_TRUE(host_ok); EXPECT_EQ(seen, 9000u);
}

TEST_F(Fds, T31_VisitAtTheUsualLimit) {
  options_.budget = {.max_bytes = 60 * mib};
  { auto a = open(); ASSERT_EQ(put(*a, numbered(0), "x"), "ok");
    // Segments of 1 MiB, and no eviction while they are filled: as if the index was partial.
    const int fd = ::open((root() / "state").c_str(), O_RDWR);
    auto* words = reinterpret_cast<std::uint64_t*>(static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) + format::state_words_at);
    words[static_cast<int>(format::StateWord::partial_index)] = 1;
    for (std::uint32_t i = 0; i < 45'000; ++i) ASSERT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok");
    words[static_cast<int>(format::StateWord::partial_index)] = 0; ASSERT_TRUE(a->flush()); }
  options_.budget = {};
  struct rlimit old{}; ::getrlimit(RLIMIT_NOFILE, &old); struct rlimit low = old; low.rlim_cur = 1024; ::setrlimit(RLIMIT_NOFILE, &low);
  std::vector<std::string> log; options_.log = [&](LogLevel, std::string_view l) { log.emplace_back(l); };
  auto fds = [] { std::error_code e; std::size_t n = 0; for (fs::directory_iterator it("/proc/self/fd", e), end; !e && it != end; it.increment(e)) ++n; return n; };
  auto a = open(); std::size_t most = 0, seen = 0; bool host_ok = true;
  const auto v = a->visit([&](const EntryInfo&) { ++seen; if (seen % 64 == 0) { const int fd = ::open("/dev/null", O_RDONLY); if (fd < 0) host_ok = false; else ::close(fd); most = std::max(most, fds()); } return Visit::go_on; });
  const std::size_t after = fds(); const int fd2 = ::open("/dev/null", O_RDONLY);
  ::setrlimit(RLIMIT_NOFILE, &old); const auto count = segment_names().size(); const auto later = fds(); ::setrlimit(RLIMIT_NOFILE, &low);
  std::cout << "after the visit the host can open a file: " << (fd2 >= 0) << " (" << later << " descriptors are open, " << after << ")\n";
  std::cout << count << " segments; visit: " << (v ? "ok" : v.error().message) << ", seen " << seen << " of 45000, most descriptors " << most << ", the host could open a file all the time: " << host_ok << "\n";
  if (!log.empty()) std::cout << "log: " << log.front() << "\n";
  const auto p = a->prune({.max_bytes = 100 * mib}); std::cout << "prune: " << (p ? "ok, kept " + std::to_string(p->kept_entries) : p.error().message) << "\n";
  ::setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_TRUE(host_ok); EXPECT_EQ(seen, 45000u);
}
}}
