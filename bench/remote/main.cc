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

constexpr std::size_t payload_bytes = 16 * 1024;
constexpr std::size_t entries = 64;
constexpr int rounds = 4000;
constexpr int batch_rounds = 200;
constexpr int down_rounds = 1'000'000;

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

double median(std::vector<double>& samples) {
  std::ranges::sort(samples);
  return samples[samples.size() / 2];
}

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

std::vector<Fingerprint> fill(RemoteStore& store) {
  Random random(1);
  std::vector<Fingerprint> fingerprints;
  std::vector<std::byte> payload(payload_bytes);
  for (std::size_t i = 0; i < entries; ++i) {
    for (std::byte& byte : payload) byte = static_cast<std::byte>(random.next());
    fingerprints.push_back(key_of(1, i));
    value_of(store.put(fingerprints.back(), payload));
  }
  return fingerprints;
}

double time_of(const std::function<void()>& work) {
  const auto began = Clock::now();
  work();
  return ns_since(began);
}

double hash_us() {
  std::vector<std::byte> payload(payload_bytes + 128);
  std::vector<double> samples;
  volatile std::uint8_t sink = 0;
  for (int i = 0; i < rounds; ++i) {
    samples.push_back(time_of([&] { sink = sink ^ digest_of(payload)[0]; }));
  }
  return median(samples) / 1000;
}

// The two take turns, so that what disturbs one disturbs the other.
void compare_single(const Tier& tier, const std::vector<Fingerprint>& all, double hash) {
  std::vector<double> bare, ours;
  for (int i = 0; i < rounds; ++i) {
    const Fingerprint& fingerprint = all[static_cast<std::size_t>(i) % all.size()];
    const std::string name = name_of(fingerprint);
    bare.push_back(time_of([&] { tier.bare->get(name); }));
    ours.push_back(time_of([&] {
      if (!value_of(tier.store->get(fingerprint))) throw std::runtime_error("a miss");
    }));
  }
  const double bare_us = median(bare) / 1000, ours_us = median(ours) / 1000;
  fmt::print(
      "{:<8} get             bare {:>8.1f} us   larder {:>8.1f} us   {:>+6.1f} %   without "
      "the hash {:>+6.1f} %\n",
      tier.name, bare_us, ours_us, 100 * (ours_us / bare_us - 1),
      100 * ((ours_us - hash) / bare_us - 1));
}

void compare_many(const Tier& tier, const std::vector<Fingerprint>& all) {
  std::vector<double> single, many;
  for (int i = 0; i < batch_rounds; ++i) {
    single.push_back(time_of([&] {
      for (const Fingerprint& each : all) value_of(tier.store->get(each));
    }));
    many.push_back(time_of([&] { value_of(tier.store->get_many(all)); }));
  }
  const double single_us = median(single) / 1000, many_us = median(many) / 1000;
  fmt::print("{:<8} {} entries      gets {:>8.0f} us   get_many {:>6.0f} us   {:>6.2f} times\n",
             tier.name, all.size(), single_us, many_us, single_us / many_us);
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

void measure(const Tier& tier, double hash) {
  const auto all = fill(*tier.store);
  compare_single(tier, all, hash);
  compare_many(tier, all);
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
  const double hash = hash_us();
  fmt::print("{} KiB a payload; BLAKE3 of one: {:.1f} us; medians\n", payload_bytes / 1024, hash);
  if (redis_port != 0) {
    const std::string url = fmt::format("redis://127.0.0.1:{}", redis_port);
    measure({"redis", open(url), make_bare_redis("127.0.0.1", redis_port)}, hash);
  }
  if (!http.empty()) measure({"http", open(http), make_bare_http(http)}, hash);
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
