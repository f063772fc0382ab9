#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include "tests/unit/pack_store_fixture.h"
#include "tests/unit/small_disk.h"
namespace larder { namespace {
namespace fs = std::filesystem;
std::uint64_t free_of(const std::string& p) { struct statvfs v{}; ::statvfs(p.c_str(), &v); return v.f_bavail * v.f_frsize; }
std::string run(const std::string& path, bool other_reads, bool budget, bool idle_process) {
  int evicted = 0, failed = 0; std::string why;
  PackStoreOptions o{.directory = path + "/store", .on_evict = [&](const Eviction&) { ++evicted; }};
  if (budget) o.budget.min_free_bytes = 16 * mib;
  int n = 0;
  { auto f = open_pack_store({.directory = path + "/store"}).value();
    for (std::uint32_t i = 0; i < (budget ? 460u : 590u); ++i) { const auto p = payload_of(100'000, i); if (!f->put(numbered(i), bytes_of(p))) break; ++n; } (void)f->flush(); }
  if (!budget) { std::ofstream b(path + "/ballast", std::ios::binary); const std::string block(4096, 'b'); while (b << block << std::flush) {} }
  std::shared_ptr<PackStore> other; pid_t child = 0; int pipe_fd[2];
  if (other_reads && !idle_process) { other = open_pack_store({.directory = path + "/store"}).value(); for (int i = 0; i < n; ++i) (void)other->get(numbered(i)); }
  if (idle_process) { if (::pipe(pipe_fd)) return "pipe"; child = ::fork();
    if (child == 0) { auto s = open_pack_store({.directory = path + "/store"}).value(); for (int i = 0; i < n; ++i) (void)s->get(numbered(i)); char c = 'x'; (void)!::write(pipe_fd[1], &c, 1); ::sleep(20); ::_exit(0); }
    char c; (void)!::read(pipe_fd[0], &c, 1); }
  auto a = open_pack_store(o).value();
  const auto before = free_of(path);
  for (std::uint32_t i = 0; i < 100; ++i) { const auto p = payload_of(100'000, 9000 + i); const auto d = a->put(numbered(9000 + i), bytes_of(p)); if (!d) { ++failed; why = d.error().message; } }
  (void)a->flush();
  int left = 0; for (int i = 0; i < n; ++i) left += content(a->get(numbered(i))) != "absent";
  std::string out = std::to_string(n) + " entries of 100 KB; then 100 puts: failed " + std::to_string(failed) + ", evicted " + std::to_string(evicted) + ", old ones left " + std::to_string(left) + ", free " + std::to_string(before / mib) + " -> " + std::to_string(free_of(path) / mib) + " MiB " + why;
  if (child) { ::kill(child, SIGKILL); ::waitpid(child, nullptr, 0); }
  return out;
}
TEST(Pin, T21_FullDiskAlone) { std::cout << on_small_disk(64 * mib, [](const std::string& p) { return run(p, false, false, false); }) << "\n"; }
TEST(Pin, T21_FullDiskBesideAnIdleReader) { std::cout << on_small_disk(64 * mib, [](const std::string& p) { return run(p, true, false, true); }) << "\n"; }
TEST(Pin, T22_MinFreeAlone) { std::cout << on_small_disk(64 * mib, [](const std::string& p) { return run(p, false, true, false); }) << "\n"; }
TEST(Pin, T22_MinFreeBesideAnIdleReader) { std::cout << on_small_disk(64 * mib, [](const std::string& p) { return run(p, true, true, true); }) << "\n"; }
TEST(Pin, T23_PutInAVisitOnAFullDisk) { std::cout << on_small_disk(64 * mib, [](const std::string& path) -> std::string {
  int evicted = 0, failed = 0, n = 0; std::string why;
  auto a = open_pack_store({.directory = path + "/store", .on_evict = [&](const Eviction&) { ++evicted; }}).value();
  for (std::uint32_t i = 0; i < 590; ++i) { const auto p = payload_of(100'000, i); if (!a->put(numbered(i), bytes_of(p))) break; ++n; } (void)a->flush();
  { std::ofstream b(path + "/ballast", std::ios::binary); const std::string block(4096, 'b'); while (b << block << std::flush) {} }
  const int before = evicted; bool once = false;
  (void)a->visit([&](const EntryInfo&) { if (once) return Visit::go_on; once = true;
    for (std::uint32_t i = 0; i < 30; ++i) { const auto p = payload_of(100'000, 9000 + i); const auto d = a->put(numbered(9000 + i), bytes_of(p)); if (!d) { ++failed; why = d.error().message; } } return Visit::go_on; });
  return std::to_string(n) + " entries; 30 puts while a visit is under way: failed " + std::to_string(failed) + ", evicted " + std::to_string(evicted - before) + " " + why; }) << "\n"; }
}}
