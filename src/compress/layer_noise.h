#pragma once
#include <string>
#include <vector>

#include "base/threads.h"
#include "tensor/qtensor.h"

namespace octet {

constexpr int64_t kNoiseRows = 256;   // that are multiplied at once
constexpr int64_t kQuotients = 4000;  // of a module, about

/// What quantizing one module costs, on rows that its input took.
struct ModuleNoise {
  std::string module;
  double clipping = 0, rounding = 0;  // of the weights, as shares of the output's power
  double activations = 0;             // of the input's codes, likewise
  double carried = 0;                 // error that the layers below carried in, as a share of the input's power
  double reach = 0;                   // the largest weight, as a share of what the codes reach
  double clipped = 0;                 // share of the weights beyond it
  std::vector<float> channels;        // the largest magnitude of each input channel, unless another has the same input
  std::vector<float> quotients;       // some of the weights, divided by their scales: what is rounded
  std::vector<float> grid;            // the numbers that codes stand for, ascending
};

/// Noise of q [N,K] beside w [N,K] F32 on x [S,K] F32.
ModuleNoise noise_of(const std::string& module, const Tensor& w, const QTensor& q, const Tensor& x, Threads& threads);

/// ‖x - y‖² / ‖y‖²
double relative_power(const Tensor& x, const Tensor& y);

}  // namespace octet
