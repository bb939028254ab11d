// A block of a product of float matrices, written once. What and in which order: product.h.
//
// Both operands are packed: a in panels of sixteen rows, element k of all of them together, b in
// panels of kAttentionVectors vectors of columns. A panel of b stays in the nearest cache while
// those of a pass by. The tiles are those of attention.inl.

inline constexpr std::int64_t kPanelColumns = kAttentionVectors * kLanes;
static_assert(kPanelColumns <= kMostPanelColumns && kLanes == kProductPanelRows);

inline std::int64_t at_most(std::int64_t most, std::int64_t n) { return n < most ? n : most; }

// Lines are rows of a, or columns of b. Elements [k, k + depth) of `count` lines from `first`, at
// most sixteen, to[i * stride + line]; lines that lack are zeros.
inline void pack_lines(const FloatMatrix& lines, std::int64_t first, std::int64_t count,
                       std::int64_t k, std::int64_t depth, float* to, std::int64_t stride) {
  const float* from = lines.data + first * lines.row + k * lines.column;
  std::int64_t i = 0;
  if (lines.row == 1) {
    for (; i < depth; ++i) store(to + i * stride, load_some(from + i * lines.column, count));
  } else if (lines.column == 1 && count == kLanes) {
    for (; i + kLanes <= depth; i += kLanes) {
      Bytes elements[16];
      transpose(reinterpret_cast<const std::uint8_t*>(from + i),
                static_cast<std::size_t>(lines.row) * sizeof(float), elements);
      for (std::int64_t e = 0; e < kLanes; ++e) store_bytes(to + (i + e) * stride, elements[e]);
    }
  }
  for (; i < depth; ++i)
    for (std::int64_t line = 0; line < kLanes; ++line)
      to[i * stride + line] = line < count ? from[line * lines.row + i * lines.column] : 0.0f;
}

// A panel of a times a panel of b. Columns that are no whole vector go through `edge`.
inline void multiply_panels(const Product& panels, std::int64_t rows, std::int64_t columns,
                            bool add_to_c, float* edge) {
  Product p = panels;
  const bool partial = columns % kLanes != 0;
  p.columns = padded_to_lanes(columns);
  if (partial) {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t j = 0; j < p.columns; ++j)
        edge[r * kPanelColumns + j] = j < columns ? p.c[r * p.c_stride + j] : 0.0f;
    p.c = edge;
    p.c_stride = kPanelColumns;
  }
  if (add_to_c)
    product_rows<true, 1, kAttentionRows>(p, 0, rows);
  else
    product_rows<false, 1, kAttentionRows>(p, 0, rows);
  if (!partial) return;
  for (std::int64_t r = 0; r < rows; ++r)
    std::memcpy(panels.c + r * panels.c_stride, edge + r * kPanelColumns,
                static_cast<std::size_t>(columns) * sizeof(float));
}

void multiply_block(const FloatProduct& product, float* scratch) {
  float* const a = scratch;
  float* const b = a + kProductDepth * (kProductRows + kProductPanelRows);
  float* const edge = b + kProductDepth * kMostPanelColumns;
  for (std::int64_t k = 0; k < product.depth; k += kProductDepth) {
    const std::int64_t depth = at_most(kProductDepth, product.depth - k);
    for (std::int64_t row = 0; row < product.rows; row += kLanes)
      pack_lines(product.a, row, at_most(kLanes, product.rows - row), k, depth, a + row * depth,
                 kLanes);
    for (std::int64_t column = 0; column < product.columns; column += kPanelColumns) {
      const std::int64_t columns = at_most(kPanelColumns, product.columns - column);
      const FloatMatrix across = {product.b.data, product.b.column, product.b.row};
      for (std::int64_t j = 0; j < columns; j += kLanes)
        pack_lines(across, column + j, at_most(kLanes, columns - j), k, depth, b + j,
                   kPanelColumns);
      for (std::int64_t row = 0; row < product.rows; row += kLanes) {
        multiply_panels({.a = a + row * depth,
                         .step = kLanes,
                         .b = b,
                         .b_stride = kPanelColumns,
                         .depth = depth,
                         .c = product.c + row * product.c_stride + column,
                         .c_stride = product.c_stride,
                         .columns = columns},
                        at_most(kLanes, product.rows - row), columns, product.add || k > 0, edge);
      }
    }
  }
}
