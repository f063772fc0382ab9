#include <gtest/gtest.h>
#include <filesystem>
#include <iostream>
#include <set>
#include "tests/unit/pack_store_fixture.h"
#include "tests/unit/small_disk.h"
namespace larder { namespace {
namespace fs = std::filesystem; using testing::Op; using testing::Operation; using testing::Repeat;
// W has put and not flushed; A's large put takes W's file; W flushes.
TEST(Room, T48_AnothersUnflushedFile) {
  std::cout << on_small_disk(64 * mib, [](const std::string& path) -> std::string {
    int told = 0; const PackStoreOptions o{.directory = path + "/store", .on_evict = [&](const Eviction&) { ++told; }};
    auto w = open_pack_store(o).value(), a = open_pack_store(o).value(); const auto e = numbered(1'000'000);
    const auto big = payload_of(3 * mib, 7);
    if (!w->put(e, bytes_of(big))) return "setup";
    for (std::uint32_t i = 0; i < 40; ++i) { const auto p = payload_of(3 * mib, i); (void)a->put(numbered(i), bytes_of(p)); (void)a->flush(); }
    const auto f = w->flush();
    return "W's flush: " + (f ? std::string("OK") : f.error().message.substr(0, 90)) + ", durable " + std::to_string(w->durability().durable) + ", W's entry: " + content(w->get(e)).substr(0, 6) + ", told evicted " + std::to_string(told);
  }) << "\n";
}
// A remove on a disk that is full between its two records.
TEST(Room, T04b_RemoveOnAFullDisk) {
  std::cout << on_small_disk(64 * mib, [](const std::string& path) -> std::string {
    std::string out; int lies = 0, failed = 0;
    for (std::uint32_t n = 0; n < 70; ++n) {
      fs::remove_all(path + "/store");
      testing::FaultFileSystem f(posix_file_system());
      auto a = open_pack_store({.directory = path + "/store", .file_system = &f}).value(); const auto e = numbered(1'000'000);
      (void)a->put(e, bytes_of("v1"));
      // Records of 64 bytes' steps up to the end of what is allocated, and then no more room.
      f.inject({.only = Op::write_at, .path_contains = ".seg", .at = 1 + n % 3, .repeat = Repeat::for_ever, .os_error = ENOSPC});
      const auto r = a->remove(e); f.clear_faults(); if (r) continue; ++failed;
      const auto live = content(a->get(e)); (void)a->flush(); a.reset();
      for (const auto& x : fs::directory_iterator(path + "/store")) { const std::string k = x.path().filename().string(); if (k == "state" || k.starts_with("index.")) fs::remove(x.path()); }
      auto c = open_pack_store({.directory = path + "/store"}).value();
      if (content(c->get(e)) != live) ++lies;
    }
    return "removes that failed " + std::to_string(failed) + ", of which the entry was there, flushed, and gone after index loss: " + std::to_string(lies);
  }) << "\n";
}
}}
