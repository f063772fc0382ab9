#include <gtest/gtest.h>
#include <filesystem>
#include <iostream>
#include <set>
#include "tests/unit/pack_store_fixture.h"
namespace larder { namespace {
namespace fs = std::filesystem; using testing::Op; using testing::Repeat;
class Sweep : public PackStoreFixture {};
TEST_F(Sweep, T32_AFailingReadLetsGo) {
  std::set<Fingerprint> told; testing::FaultFileSystem f(posix_file_system());
  options_.budget = {.max_bytes = 60 * mib, .max_entries = 100}; options_.file_system = &f;
  options_.on_evict = [&](const Eviction& e) { told.insert(e.fingerprint); };
  auto a = open(); fill(*a, 0, 100); ASSERT_TRUE(a->flush());
  a.reset(); a = open(); fill(*a, 100, 101); ASSERT_TRUE(a->flush()); std::cout << "entries " << a->metrics().entries << " told " << told.size() << "\n"; told.clear();
  const auto n0 = count_present(*a, 0, 101);
  for (std::uint32_t i = 0; i < 101; ++i) (void)0;
  f.inject({.only = Op::read_at, .path_contains = ".seg", .repeat = Repeat::for_ever, .os_error = EMFILE});
  for (std::uint32_t i = 1000; i < 1020; ++i) std::cout << (put(*a, numbered(i), payload_of(4096, i)) == "ok" ? "" : "x"); std::cout << "\n";
  f.clear_faults();
  const auto n1 = count_present(*a, 0, 101), n2 = count_present(*a, 1000, 1020);
  std::cout << "before " << n0 << "; after 20 puts while nothing can be read: old " << n1 << ", new " << n2 << ", told " << told.size() << ", removals counted " << a->metrics().evictions << "\n";
  ASSERT_TRUE(a->flush()); a.reset(); lose_the_index(); options_.budget = {}; a = open();
  std::cout << "after index loss: old " << count_present(*a, 0, 101) << ", new " << count_present(*a, 1000, 1020) << "\n";
}
// 35: the same entry of a large artifact: its file.
TEST_F(Sweep, T35_BudgetByAgeAndIdle) {}
}}
