// larder-remote-bench: what a get over a remote tier costs besides what the client library alone
// costs, what many at once save, and what a tier that is down costs. bench/remote/run starts the
// servers.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "clock.h"
#include "larder/remote.h"
#include "random.h"
#include "remote/bare.h"
#include "stores/digest.h"

namespace larder::bench {
namespace {

constexpr std::size_t payload_sizes[] = {1024, 16 * 1024};
constexpr std::size_t entries = 64;
constexpr int rounds = 4000;
constexpr int batch_rounds = 200;
constexpr int down_rounds = 1'000'000;

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// In microseconds. Below the tenth part of the samples nothing else on the machine was in the way.
struct Figure {
  double p10_us = 0;
  double median_us = 0;

  explicit Figure(std::vector<double>& samples_ns) {
    std::ranges::sort(samples_ns);
    p10_us = samples_ns[samples_ns.size() / 10] / 1000;
    median_us = samples_ns[samples_ns.size() / 2] / 1000;
  }
};

std::string name_of(const Fingerprint& fingerprint) {
  const std::string hex = fingerprint.hex();
  return hex.substr(0, 2) + "/" + hex + ".art";
}

struct Tier {
  std::string name;
  std::shared_ptr<RemoteStore> store;
  std::unique_ptr<BareClient> bare;
};

std::shared_ptr<RemoteStore> open(const std::string& url) {
  return value_of(open_remote_store({.url = url}));
}

std::vector<Fingerprint> fill(RemoteStore& store, std::size_t payload_bytes) {
  Random random(1);
  std::vector<Fingerprint> fingerprints;
  std::vector<std::byte> payload(payload_bytes);
  for (std::size_t i = 0; i < entries; ++i) {
    for (std::byte& byte : payload) byte = static_cast<std::byte>(random.next());
    fingerprints.push_back(key_of(payload_bytes, i));
    value_of(store.put(fingerprints.back(), payload));
  }
  return fingerprints;
}

double time_of(const std::function<void()>& work) {
  const auto began = Clock::now();
  work();
  return ns_since(began);
}

Figure hash_figure(std::size_t payload_bytes) {
  std::vector<std::byte> payload(payload_bytes + 128);
  std::vector<double> samples;
  volatile std::uint8_t sink = 0;
  for (int i = 0; i < rounds; ++i) {
    samples.push_back(time_of([&] { sink = sink ^ digest_of(payload)[0]; }));
  }
  return Figure(samples);
}

void show_single(const std::string& tier, const char* which, double bare, double ours,
                 double hash) {
  fmt::print(
      "{:<6} get, {:<7} bare {:>8.1f} us   larder {:>8.1f} us   {:>+6.1f} %, without the "
      "hash {:>+6.1f} %\n",
      tier, which, bare, ours, 100 * (ours / bare - 1), 100 * ((ours - hash) / bare - 1));
}

// The two take turns, so that what disturbs one disturbs the other.
void compare_single(const Tier& tier, const std::vector<Fingerprint>& all, const Figure& hash) {
  std::vector<double> bare, ours;
  for (int i = 0; i < rounds; ++i) {
    const Fingerprint& fingerprint = all[static_cast<std::size_t>(i) % all.size()];
    const std::string name = name_of(fingerprint);
    bare.push_back(time_of([&] { tier.bare->get(name); }));
    ours.push_back(time_of([&] {
      if (!value_of(tier.store->get(fingerprint))) throw std::runtime_error("a miss");
    }));
  }
  const Figure of_bare(bare), of_ours(ours);
  show_single(tier.name, "p10", of_bare.p10_us, of_ours.p10_us, hash.p10_us);
  show_single(tier.name, "median", of_bare.median_us, of_ours.median_us, hash.median_us);
}

void show_many(const std::string& tier, const char* which, double single, double many) {
  fmt::print("{:<6} {}, {:<7}  gets {:>8.0f} us   get_many {:>6.0f} us   {:>6.2f} times\n", tier,
             entries, which, single, many, single / many);
}

void compare_many(const Tier& tier, const std::vector<Fingerprint>& all) {
  std::vector<double> single, many;
  for (int i = 0; i < batch_rounds; ++i) {
    single.push_back(time_of([&] {
      for (const Fingerprint& each : all) value_of(tier.store->get(each));
    }));
    many.push_back(time_of([&] { value_of(tier.store->get_many(all)); }));
  }
  const Figure of_single(single), of_many(many);
  show_many(tier.name, "p10", of_single.p10_us, of_many.p10_us);
  show_many(tier.name, "median", of_single.median_us, of_many.median_us);
}

// Port 1 of this machine refuses at once; what counts is what comes after.
void measure_down() {
  const auto store = open("redis://127.0.0.1:1");
  const Fingerprint fingerprint = key_of(1, 1);
  const double first = time_of([&] { (void)store->get(fingerprint); });
  const double later = time_of([&] {
    for (int i = 0; i < down_rounds; ++i) (void)store->get(fingerprint);
  });
  fmt::print("down     first look-up {:.0f} us, then {:.3f} us each\n", first / 1000,
             later / down_rounds / 1000);
}

void measure(const Tier& tier) {
  for (const std::size_t bytes : payload_sizes) {
    const Figure hash = hash_figure(bytes);
    fmt::print("{} KiB a payload; BLAKE3 of one: {:.1f} us\n", bytes / 1024, hash.p10_us);
    const auto all = fill(*tier.store, bytes);
    compare_single(tier, all, hash);
    compare_many(tier, all);
  }
}

int run(int argc, char** argv) {
  std::string http;
  int redis_port = 0;
  CLI::App app("Measures remote tiers against the client libraries alone.", "larder-remote-bench");
  app.add_option("--redis-port", redis_port, "a Redis server of this machine");
  app.add_option("--http", http, "http://host:port/path, where PUT makes folders");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (redis_port != 0) {
    const std::string url = fmt::format("redis://127.0.0.1:{}", redis_port);
    measure({"redis", open(url), make_bare_redis("127.0.0.1", redis_port)});
  }
  if (!http.empty()) measure({"http", open(http), make_bare_http(http)});
  measure_down();
  return 0;
}

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  try {
    return larder::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "larder-remote-bench: {}\n", error.what());
    return 1;
  }
}
