#include "ops/loss.h"

#include "base/error.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gradient/gradient.h"
#include "ops/tape.h"

namespace octet {
namespace {

constexpr int64_t kRowsAtOnce = 4;

void for_rows(Context& ctx, int64_t rows, const std::function<void(int64_t)>& body) {
  ctx.threads.for_range(rows, kRowsAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

Tensor scalar(Context& ctx, double value) {
  Tensor loss = make_tensor(ctx, {1});
  loss.f32()[0] = static_cast<float>(value);
  return loss;
}

double sum_of(const std::vector<double>& terms) {
  double sum = 0;
  for (const double term : terms) sum += term;
  return sum;
}

void cross_entropy_backward(Context& ctx, Tensor logits, std::span<const int32_t> targets,
                            std::span<const double> log_sums, float factor) {
  const auto& kernel = kernels::gradient_kernel();
  const int64_t v = logits.size(1);
  Place place = logits;
  Tensor dlogits = logits.shared() ? make_tensor(ctx, logits.shape()) : logits;
  for_rows(ctx, logits.size(0), [&](int64_t row) {
    float* to = dlogits.f32() + row * v;
    const int32_t target = targets[static_cast<size_t>(row)];
    if (target == kIgnored) return std::fill(to, to + v, 0.0f);
    kernel.exp(logits.f32() + row * v, 1, static_cast<float>(log_sums[static_cast<size_t>(row)]), v, to);
    to[target] -= 1;
    kernel.scale(to, factor, v, to);
  });
  logits = Tensor();
  ctx.tape->add_gradient(ctx, place, std::move(dlogits));
}

}  // namespace

Tensor cross_entropy(Context& ctx, const Tensor& logits, std::span<const int32_t> targets) {
  const int64_t m = logits.size(0), v = logits.size(1);
  if (static_cast<int64_t>(targets.size()) != m) fail("{} targets do not go with {} rows of logits", targets.size(), m);
  int64_t counted = 0;
  for (const int32_t target : targets) {
    if (target == kIgnored) continue;
    if (target < 0 || target >= v) fail("target {} is outside the {} classes", target, v);
    ++counted;
  }
  std::vector<double> log_sums(static_cast<size_t>(m)), terms(static_cast<size_t>(m));
  for_rows(ctx, m, [&](int64_t row) {
    const auto i = static_cast<size_t>(row);
    if (targets[i] == kIgnored) return;
    log_sums[i] = kernels::log_sum_exp(logits.f32() + row * v, v);
    terms[i] = log_sums[i] - logits.f32()[row * v + targets[i]];
  });
  const double count = static_cast<double>(std::max<int64_t>(counted, 1));
  Tensor loss = scalar(ctx, sum_of(terms) / count);
  if (on_tape(ctx, {&logits})) {
    // A copy that is not const: on the way back its memory becomes the gradient's.
    ctx.tape->record(loss, [logits = Tensor(logits), targets = std::vector<int32_t>(targets.begin(), targets.end()),
                            log_sums = std::move(log_sums), count](Context& ctx, const Tensor& dloss) mutable {
      cross_entropy_backward(ctx, std::move(logits), targets, log_sums, static_cast<float>(dloss.f32()[0] / count));
    });
  }
  return loss;
}

Tensor binary_cross_entropy(Context& ctx, const Tensor& logits, std::span<const float> targets) {
  const int64_t n = logits.elements();
  if (static_cast<int64_t>(targets.size()) != n) fail("{} targets do not go with {} logits", targets.size(), n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double x = logits.f32()[i];
    sum += std::max(x, 0.0) - x * targets[static_cast<size_t>(i)] + std::log1p(std::exp(-std::abs(x)));
  }
  Tensor loss = scalar(ctx, sum / static_cast<double>(n));
  if (on_tape(ctx, {&logits})) {
    ctx.tape->record(loss, [logits, n, targets = std::vector<float>(targets.begin(), targets.end())](
                               Context& ctx, const Tensor& dloss) {
      Tensor dx = make_tensor(ctx, logits.shape());
      for (int64_t i = 0; i < n; ++i) {
        const double p = 1 / (1 + std::exp(-double{logits.f32()[i]}));
        dx.f32()[i] =
            static_cast<float>(dloss.f32()[0] * (p - targets[static_cast<size_t>(i)]) / static_cast<double>(n));
      }
      ctx.tape->add_gradient(ctx, logits, std::move(dx));
    });
  }
  return loss;
}

Tensor mean_squared_error(Context& ctx, const Tensor& x, std::span<const float> targets) {
  const int64_t n = x.elements();
  if (static_cast<int64_t>(targets.size()) != n) fail("{} targets do not go with {} numbers", targets.size(), n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double d = double{x.f32()[i]} - targets[static_cast<size_t>(i)];
    sum += d * d;
  }
  Tensor loss = scalar(ctx, sum / static_cast<double>(n));
  if (on_tape(ctx, {&x})) {
    ctx.tape->record(
        loss, [x, n, targets = std::vector<float>(targets.begin(), targets.end())](Context& ctx, const Tensor& dloss) {
          Tensor dx = make_tensor(ctx, x.shape());
          const float factor = 2 * dloss.f32()[0] / static_cast<float>(n);
          for (int64_t i = 0; i < n; ++i) dx.f32()[i] = factor * (x.f32()[i] - targets[static_cast<size_t>(i)]);
          ctx.tape->add_gradient(ctx, x, std::move(dx));
        });
  }
  return loss;
}

namespace {

Tensor tempered(Context& ctx, const Tensor& logits, float temperature) {
  Tensor y = make_tensor(ctx, logits.shape());
  const int64_t v = logits.size(1);
  for_rows(ctx, logits.size(0), [&](int64_t row) {
    kernels::gradient_kernel().scale(logits.f32() + row * v, 1 / temperature, v, y.f32() + row * v);
  });
  return y;
}

}  // namespace

Tensor kl_divergence(Context& ctx, const Tensor& student, const Tensor& teacher, float temperature) {
  const int64_t m = student.size(0), v = student.size(1);
  if (teacher.shape() != student.shape()) {
    fail("a teacher's logits {} do not go with a student's {}", text_of(teacher.shape()), text_of(student.shape()));
  }
  Tensor p = tempered(ctx, teacher, temperature), q = tempered(ctx, student, temperature);
  std::vector<double> terms(static_cast<size_t>(m)), log_sums(static_cast<size_t>(m));
  for_rows(ctx, m, [&](int64_t row) {
    float *pr = p.f32() + row * v, *qr = q.f32() + row * v;
    const double p_sum = kernels::log_sum_exp(pr, v), q_sum = kernels::log_sum_exp(qr, v);
    double sum = 0;
    for (int64_t i = 0; i < v; ++i) {
      const double log_p = pr[i] - p_sum, probability = std::exp(log_p);
      sum += probability > 0 ? probability * (log_p - (qr[i] - q_sum)) : 0;
      // What the way back needs: softmax(student) - softmax(teacher).
      qr[i] = static_cast<float>(std::exp(qr[i] - q_sum) - probability);
    }
    terms[static_cast<size_t>(row)] = sum;
  });
  Tensor loss = scalar(ctx, sum_of(terms) / static_cast<double>(m) * temperature * temperature);
  if (on_tape(ctx, {&student})) {
    ctx.tape->record(loss, [place = Place(student), q, m, v, temperature](Context& ctx, const Tensor& dloss) {
      Tensor dx = make_tensor(ctx, place.shape);
      const float factor = dloss.f32()[0] * temperature / static_cast<float>(m);
      for_rows(ctx, m, [&](int64_t row) {
        kernels::gradient_kernel().scale(q.f32() + row * v, factor, v, dx.f32() + row * v);
      });
      ctx.tape->add_gradient(ctx, place, std::move(dx));
    });
  }
  return loss;
}

Tensor mix(Context& ctx, const Tensor& x, float a, const Tensor& y, float b) {
  Tensor loss = scalar(ctx, double{a} * x.f32()[0] + double{b} * y.f32()[0]);
  if (on_tape(ctx, {&x, &y})) {
    ctx.tape->record(loss, [x = Place(x), y = Place(y), a, b](Context& ctx, const Tensor& dloss) {
      ctx.tape->add_gradient(ctx, x, scalar(ctx, a * dloss.f32()[0]));
      ctx.tape->add_gradient(ctx, y, scalar(ctx, b * dloss.f32()[0]));
    });
  }
  return loss;
}

}  // namespace octet
