mod health;
mod pools;
