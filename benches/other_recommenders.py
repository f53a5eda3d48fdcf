#!/usr/bin/env python3
"""HR@10 and NDCG@10 of EASE and of `implicit`'s item-kNN on the split of `homeostat evaluate`'s leave last out.

    scripts/other-recommenders [FILE]     installs what it needs, and runs it

The same rules: every rating is positive, the last event of each user is to be found among all unseen items, of equal scores
the one looked for comes last. Columns: user, item, time (the first, second and last of the file), also from a CSV.
"""

import sys

import numpy as np
import pandas as pd


def read(path):
    frame = pd.read_csv(path) if path.endswith(".csv") else pd.read_parquet(path)
    columns = list(frame.columns)
    names = [
        next((name for name in usual if name in columns), columns[place])
        for usual, place in ((["user_id", "user"], 0), (["movie_id", "item_id", "item"], 1), (["timestamp", "time"], -1))
    ]
    frame = frame[names].set_axis(["user", "item", "time"], axis=1)
    frame = frame.sort_values("time", kind="stable")
    for name in ("user", "item"):
        frame[name] = pd.factorize(frame[name])[0]
    return frame


def measure(name, scores, seen, users, items):
    scores = np.where(seen, -np.inf, scores)
    target = scores[users, items]
    rank = (scores[users] >= target[:, None]).sum(axis=1)
    hit = (rank <= 10) & np.isfinite(target)
    gain = np.where(hit, 1 / np.log2(rank + 1), 0)
    print(f"{name:<34} HR@10 {hit.mean():.4f}   NDCG@10 {gain.mean():.4f}   {len(users)} users")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    events = read(sys.argv[1])
    is_last = ~events.duplicated("user", keep="last")
    train, test = events[~is_last], events[is_last]
    shape = (events.user.max() + 1, events.item.max() + 1)
    matrix = np.zeros(shape, dtype=np.float32)
    matrix[train.user, train.item] = 1
    known = (matrix[test.user.to_numpy()].sum(axis=1) > 0) & (matrix[test.user, test.item] == 0)
    users, items = test.user.to_numpy()[known], test.item.to_numpy()[known]
    seen = matrix > 0

    measure("popularity", np.tile(matrix.sum(axis=0), (shape[0], 1)), seen, users, items)
    for weight in (200, 500):
        gram = matrix.T @ matrix
        gram[np.diag_indices_from(gram)] += weight
        inverse = np.linalg.inv(gram.astype(np.float64))
        model = -inverse / np.diag(inverse)
        np.fill_diagonal(model, 0)
        measure(f"EASE, lambda {weight}", matrix @ model, seen, users, items)

    try:
        from implicit.nearest_neighbours import CosineRecommender
        from scipy.sparse import csr_matrix
    except ImportError:
        print("implicit is not installed: its item-kNN is left out")
        return
    for neighbours in (50, 100):
        knn = CosineRecommender(K=neighbours)
        knn.fit(csr_matrix(matrix.astype(np.float64)), show_progress=False)
        measure(f"implicit item-kNN, cosine, K {neighbours}", matrix @ knn.similarity.toarray(), seen, users, items)


if __name__ == "__main__":
    main()
